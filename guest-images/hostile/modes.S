/*
 * Exits in every mode of the processor, mode after mode, 40 times round: real, virtual-8086 (with paging,
 * where a device is at 0x3f000), 16-bit protected, 32-bit without paging, with two levels (4 MiB pages) and
 * with three (PAE), compatibility and 64-bit, privilege levels 0 and 3. In each: CPUID, ports and strings,
 * MSRs, cache control, a device's register read, written and changed; what the level does not allow is a
 * fault with the right vector, and a hypercall is #UD.
 */
#define NAME "modes"
#include "common.inc"
#include "paging32.inc"

#define ROUNDS 40
#define DEVICE LAPIC + 0x80
#define DEVICE_LOW LOW_DEVICE + 0x80
#define VM 0x20000
#define IOPL3 0x3000
/* With the lowest bits of a user's selector, for the handlers of common.inc. */
#define SEGMENT_86 LOW_SEGMENT+3
#define OFFSET_86(label) label-low_image-0x30

/* What any privileged code of any width may do. */
    .macro exits
    movl $0x40000000, %eax
    cpuid
    movl $1, %eax
    cpuid
    inb $0x61, %al
    outb %al, $0x80
    inw $0x70, %ax
    movw $0x1234, %dx
    inl %dx, %eax
    outl %eax, %dx
    movl $0x1b, %ecx
    rdmsr
    wrmsr
    wbinvd
    invd
    clts
    smsw %ax
    lmsw %ax
    rdtsc
    pause
    .endm

/* User code at this selector and address ends by an exception of this vector. */
    .macro user32 selector:req, address:req, vector:req, flags=2
    movl %esp, fault_esp
    movl $77f, fault_resume
    movl $-1, fault_vector
    .if (\flags) & VM
    .rept 4
    pushl $SEGMENT_86
    .endr
    pushl $LOW_SEGMENT
    pushl $0xd000
    .else
    pushl $USER_DATA32
    pushl $user_stack_top
    .endif
    pushl $(\flags)
    pushl $(\selector)
    pushl $(\address)
    iretl
77: movl fault_vector, %eax
    shll $16, %eax
    movw $\vector, %ax
    cmpl $\vector << 16 | \vector, %eax
    CHECK32(e)
    .endm
    .macro user64 selector:req, address:req, vector:req
    movq %rsp, fault_rsp(%rip)
    movl $77f, fault_resume(%rip)
    movl $-1, fault_vector(%rip)
    pushq $USER_DATA32
    movl $user_stack_top, %eax
    pushq %rax
    pushq $2
    pushq $\selector
    movl $\address, %eax
    pushq %rax
    iretq
77: cmpl $\vector, fault_vector(%rip)
    CHECK64(e)
    .endm

    .text
    .code32
main:
    movl $ROUNDS, rounds
    call tables32
    /* User code may come without data segments, virtual-8086 code always does. */
    .irp vector, 3, 6, 13
    movl $with_segments_\vector, %eax
    movw %ax, idt32 + 8 * \vector
    shrl $16, %eax
    movw %ax, idt32 + 8 * \vector + 6
    .endr
round:
    CALL16(real)
    /* 16-bit protected mode, in the copy that CALL16 made. */
    ljmp $CODE16, $(narrow - low_image)
wide:
    movl $DATA32, %eax
    movl %eax, %ss
    exits
    call device
    call strings
    TRY32(vmcall)
    FAULTED32(6, 0)
    user32 USER_CODE32, user_cpuid, 3
    user32 USER_CODE32, user_port, 13
    user32 USER_CODE32, user_halt, 13
    user32 USER_CODE32, user_hypercall, 6
    user32 USER_CODE32, user_port_allowed, 3, 2+IOPL3
    user32 SEGMENT_86, OFFSET_86(v86_cpuid), 3, VM+2
    user32 SEGMENT_86, OFFSET_86(v86_port), 13, VM+2
    /* Two levels. */
    call page_two_levels
    call paged
    user32 USER_CODE32, user_device, 3
    user32 SEGMENT_86, OFFSET_86(v86_cpuid), 3, VM+2
    user32 SEGMENT_86, OFFSET_86(v86_port), 13, VM+2
    user32 SEGMENT_86, OFFSET_86(v86_halt), 13, VM+2
    user32 SEGMENT_86, OFFSET_86(v86_hypercall), 6, VM+2
    user32 SEGMENT_86, OFFSET_86(v86_device), 3, VM+2
    call unpage32
    /* Three. */
    call page_three_levels
    call paged
    user32 USER_CODE32, user_device, 3
    user32 USER_CODE32, user_port, 13
    call unpage32
    /* Four. */
    ENTER64(long)

    .irp vector, 3, 6, 13
with_segments_\vector:
    pushl %eax
    movl $DATA32, %eax
    movl %eax, %ds
    movl %eax, %es
    popl %eax
    jmp stubs32 + 16 * \vector
    .endr

paged:
    exits
    call device
    call strings
    ret

device:
    movl $DEVICE, %ebx
    movl (%ebx), %eax
    movl $0x20, (%ebx)
    orl $0x10, (%ebx)
    lock incl (%ebx)
    cmpl $0x31, (%ebx)
    CHECK32(e)
    movl $scratch, %edi
    movl %ebx, %esi
    movsl
    cmpl $0x31, scratch
    CHECK32(e)
    ret

strings:
    movw $0x80, %dx
    movl $scratch, %esi
    movl $8, %ecx
    rep outsb
    movl $scratch, %edi
    movl $4, %ecx
    rep insw
    ret

    .macro users suffix
user_cpuid\suffix:
    xorl %eax, %eax
    cpuid
    int3
user_port\suffix:
    inb $0x61, %al
user_halt\suffix:
    hlt
user_hypercall\suffix:
    vmcall
user_device\suffix:
    movl $USER_DATA32, %eax
    movl %eax, %ds
    movl $DEVICE, %ebx
    movl $0x22, (%ebx)
    notl (%ebx)
    int3
    .endm
    users
user_port_allowed:
    inb $0x61, %al
    outb %al, $0x80
    inl $0x80, %eax
    int3

    .section .low, "awx"
    .code16
real:
    exits
    movl $DEVICE, %ebx
    movl %fs:(%ebx), %eax
    movl $0x20, %fs:(%ebx)
    incl %fs:(%ebx)
    movw $0x80, %dx
    xorw %si, %si
    movw $8, %cx
    rep outsb
    ret
narrow:
    exits
    movl $DEVICE, %ebx
    movl (%ebx), %eax
    orl $0x20, (%ebx)
    movw $0x80, %dx
    xorl %esi, %esi
    movl $8, %ecx
    addr32 rep outsb
    ljmpl $CODE32, $wide
v86_cpuid:
    xorl %eax, %eax
    cpuid
    int3
v86_port:
    inb $0x61, %al
v86_halt:
    hlt
v86_hypercall:
    vmcall
v86_device:
    movl DEVICE_LOW - LOW - 0x30, %eax
    movl $0x21, DEVICE_LOW - LOW - 0x30
    decl DEVICE_LOW - LOW - 0x30
    int3

    .text
    .code64
long:
    exits
    movl $DEVICE, %ebx
    movq $0x20, %rax
    movl %eax, (%rbx)
    lock decl (%rbx)
    cmpl $0x1f, (%rbx)
    CHECK64(e)
    TRY64(vmcall)
    FAULTED64(6, 0)
    user64 USER_CODE64, user_cpuid_64, 3
    user64 USER_CODE64, user_port_64, 13
    user64 USER_CODE64, user_halt_64, 13
    user64 USER_CODE64, user_hypercall_64, 6
    user64 USER_CODE64, user_device_64, 3
    /* Compatibility mode, levels 3 and 0. */
    user64 USER_CODE32, user_cpuid, 3
    user64 USER_CODE32, user_port, 13
    user64 USER_CODE32, user_halt, 13
    user64 USER_CODE32, user_hypercall, 6
    user64 USER_CODE32, user_device, 3
    pushq $CODE32
    movl $compatible, %eax
    pushq %rax
    lretq
    users _64

    .code32
compatible:
    movl $DATA32, %eax
    movl %eax, %ss
    movl %eax, %ds
    movl %eax, %es
    exits
    call device
    call strings
    /* And out of it: paging off, and EFER.LME; the 32-bit tables and task again. */
    call unpage32
    movl $0xc0000080, %ecx
    rdmsr
    andl $~0x100, %eax
    wrmsr
    movl %cr4, %eax
    andl $~0x20, %eax
    movl %eax, %cr4
    lidt idt32_pointer
    movl $tss, %eax
    movw %ax, gdt_tss + 2
    shrl $16, %eax
    movb %al, gdt_tss + 4
    movb %ah, gdt_tss + 7
    movb $0x89, gdt_tss + 5
    movw $TSS, %ax
    ltr %ax
    decl rounds
    jnz round
    jmp pass32

    .data
    .balign 8
scratch: .quad 0
rounds: .long 0
    .bss
    .balign 16
    .space 1024
user_stack_top:
    .text
