/* Every exception that software can cause, with its error code, CR2 and saved IP. */
#define NAME "exceptions"
#include "common.inc"

    .text
    .code32
main:
    /* #DE: the fault is at the instruction. */
    xorl %ecx, %ecx
    movl $1, %eax
    xorl %edx, %edx
    TRY32(divl %ecx)
    FAULTED32(0, 0)
    /* #DB: single step, a trap after the instruction. */
    pushfl
    orl $0x100, (%esp)
    movl $1f, fault_resume
    movl $-1, fault_vector
    popfl
    nop
stepped:
    nop
    nop
1:  cmpl $1, fault_vector
    CHECK32(e)
    cmpl $stepped, fault_ip
    CHECK32(e)
    movl %db6, %eax
    testl $0x4000, %eax
    CHECK32(nz)
    xorl %eax, %eax
    movl %eax, %db6
    /* #DB: a breakpoint on execution, a fault; where any strikes. */
    testl $BREAKPOINTS, bulkhead
    jz no_breakpoints
    movl $here, %eax
    movl %eax, %db0
    movl $0x401, %eax
    movl %eax, %db7
    movl $1f, fault_resume
    movl $-1, fault_vector
    nop
here:
    nop
1:  movl $0x400, %eax
    movl %eax, %db7
    cmpl $1, fault_vector
    CHECK32(e)
    cmpl $here, fault_ip
    CHECK32(e)
    movl %db6, %eax
    testb $1, %al
    CHECK32(nz)
    /* And on a write, a trap. */
    movl $cell, %eax
    movl %eax, %db1
    movl $0x00d00404, %eax
    movl %eax, %db7
    movl $1f, fault_resume
    movl $-1, fault_vector
    movl %eax, cell
    nop
1:
    movl $0x400, %eax
    movl %eax, %db7
    cmpl $1, fault_vector
    CHECK32(e)
    xorl %eax, %eax
    movl %eax, %db6
no_breakpoints:
    /* #BP and #OF, traps; #BR; #UD. */
    movl $1f, fault_resume
    int3
behind:
1:  cmpl $3, fault_vector
    CHECK32(e)
    cmpl $behind, fault_ip
    CHECK32(e)
    movb $0x7f, %al
    incb %al
    TRY32(into)
    FAULTED32(4, 0)
    movl $7, %eax
    TRY32(boundl %eax, bounds)
    FAULTED32(5, 0)
    TRY32(ud2)
    FAULTED32(6, 0)
    TRY32(.byte 0xf0; nop)
    FAULTED32(6, 0)
    /* #NP, #SS, #GP with selectors. */
    movw $absent - gdt, %ax
    TRY32(movw %ax, %es)
    FAULTED32(11, absent - gdt)
    TRY32(movw %ax, %ss)
    FAULTED32(12, absent - gdt)
    movw $0x7f8, %ax
    TRY32(movw %ax, %es)
    FAULTED32(13, 0x7f8)
    xorw %ax, %ax
    TRY32(movw %ax, %ss)
    FAULTED32(13, 0)
    TRY32(int $0x50)
    FAULTED32(13, 0x50 * 8 + 2)
    /* #MF: an unmasked division by zero, at the next instruction. */
    movl %cr0, %eax
    orl $0x20, %eax
    movl %eax, %cr0
    fninit
    fldcw unmasked
    fld1
    fldz
    TRY32(fdivrp; fwait)
    FAULTED32(16, 0)
    fnclex
    fninit
    /* #XM. */
    movl %cr4, %eax
    orl $0x600, %eax
    movl %eax, %cr4
    cmpb $0, on_tcg
    jne 1f
    ldmxcsr strict
    xorps %xmm0, %xmm0
    movss one, %xmm1
    TRY32(divss %xmm0, %xmm1)
    FAULTED32(19, 0)
    ldmxcsr usual
1:
    /* #AC, in user code only. */
    movl %cr0, %eax
    orl $0x40000, %eax
    movl %eax, %cr0
    pushl $USER_DATA32
    pushl $stack_top - 4096
    pushl $0x40002
    pushl $USER_CODE32
    pushl $user
    movl %esp, fault_esp
    movl $1f, fault_resume
    movl $-1, fault_vector
    iretl
user:
    movl $USER_DATA32, %eax
    movl %eax, %ds
    movl cell + 1, %ecx
    ud2
1:  cmpb $0, on_tcg
    jne 2f
    FAULTED32(17, 0)
2:  ENTER64(long)

    .code64
long:
    /* #PF: each bit of the error code, and CR2. */
    movl $0x600000, %esi
    andl $~1, directories + 8 * 3(%rip)
    call flush
    TRY64(movl (%rsi), %eax)
    FAULTED64(14, 0)
    cmpq %rsi, fault_cr2(%rip)
    CHECK64(e)
    TRY64(movl %eax, 0x123(%rsi))
    FAULTED64(14, 2)
    subq $0x600123, fault_cr2(%rip)
    CHECK64(z)
    /* Reserved bits. */
    movl $0x602087, directories + 8 * 3(%rip)
    call flush
    TRY64(movl (%rsi), %eax)
    /* QEMU forgets that the entry is present. */
    orl $1, fault_error(%rip)
    FAULTED64(14, 9)
    /* No execution. */
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x800, %eax
    wrmsr
    movl $0x600087, directories + 8 * 3(%rip)
    orl $0x80000000, directories + 8 * 3 + 4(%rip)
    call flush
    TRY64(jmp *%rsi)
    FAULTED64(14, 0x11)
    /* Not canonical: #GP. */
    movq $0x0000800000000000, %rsi
    TRY64(movl (%rsi), %eax)
    FAULTED64(13, 0)
    /* A misaligned SSE access is #GP. */
    movq %cr4, %rax
    orl $0x600, %eax
    movq %rax, %cr4
    TRY64(movaps cell + 1(%rip), %xmm0)
    FAULTED64(13, 0)
    /* SYSCALL without EFER.SCE. */
    TRY64(syscall)
    FAULTED64(6, 0)
    TRY64(ud2)
    FAULTED64(6, 0)
    jmp pass64

flush:
    movq %cr3, %rax
    movq %rax, %cr3
    ret

    .data
    .balign 16
cell: .long 0, 0, 0, 0, 0
bounds: .long 8, 9
unmasked: .word 0x037b
    .balign 4
strict: .long 0x1d80
usual: .long 0x1f80
one: .float 1.0
