/*
 * Instructions that a guest has no business with, in 64-bit code at CPL 0 and 3 and with operands that
 * are RAM, a device, a hole and no address at all: all of VMX, GETSEC, RSM, VMFUNC, hypercalls of both
 * makers, XSETBV, MONITOR and MWAIT, cache and TLB control, counters, descriptor tables, SVM, SGX, UD.
 */
#define NAME "opcodes"
#include "common.inc"
#include "attack.inc"

    ATTACK
    call open_window
    movl $operands, %ebp
each_operand:
    movq (%rbp), %rbx
    testq %rbx, %rbx
    jz survived
    call round
    /* The same in user code: each ends in a trap, or in INT3 behind it. */
    movl $user_code, %r12d
1:  movl (%r12), %r13d
    testl %r13d, %r13d
    jz 2f
    movl $88f, resume(%rip)
    pushq $USER_DATA32
    movl $ring3_stack_top, %eax
    pushq %rax
    pushq $2
    pushq $USER_CODE64
    pushq %r13
    iretq
88: addl $4, %r12d
    jmp 1b
2:  addl $8, %ebp
    jmp each_operand

    .data 3
    .balign 4
user_code:
    .text
/* One of the list: in `round`, and for user code as a piece of its own. */
    .macro forbidden bytes:vararg
    .data 3
    .long 77f
    .text 1
77: call load
    \bytes
    int3
    .text 0
    movl $77b + 5, %r14d
    call one
    .endm

    .macro swapgs_twice
    swapgs
    swapgs
    .endm

/* Operand in RBX, plausible values in the registers that such instructions look at. */
load:
    movl $0x40000000, %eax
    xorl %ecx, %ecx
    xorl %edx, %edx
    movq %rbx, %rsi
    movq %rbx, %rdi
    ret

/* Code at R14, up to its INT3. */
one:
    popq %r15
    movl $88f, resume(%rip)
    call load
    jmp *%r14
88: jmp *%r15

round:
    popq back(%rip)
    forbidden vmcall
    forbidden .byte 0x0f, 0x01, 0xd9            /* VMMCALL */
    forbidden .byte 0x0f, 0x01, 0xd4            /* VMFUNC */
    forbidden .byte 0x0f, 0x01, 0xc2            /* VMLAUNCH */
    forbidden .byte 0x0f, 0x01, 0xc3            /* VMRESUME */
    forbidden .byte 0x0f, 0x01, 0xc4            /* VMXOFF */
    forbidden .byte 0xf3, 0x0f, 0xc7, 0x33      /* VMXON (%rbx) */
    forbidden .byte 0x66, 0x0f, 0xc7, 0x33      /* VMCLEAR (%rbx) */
    forbidden .byte 0x0f, 0xc7, 0x33            /* VMPTRLD (%rbx) */
    forbidden .byte 0x0f, 0xc7, 0x3b            /* VMPTRST (%rbx) */
    forbidden .byte 0x0f, 0x78, 0x03            /* VMREAD */
    forbidden .byte 0x0f, 0x79, 0x03            /* VMWRITE */
    forbidden .byte 0x66, 0x0f, 0x38, 0x80, 0x03    /* INVEPT */
    forbidden .byte 0x66, 0x0f, 0x38, 0x81, 0x03    /* INVVPID */
    forbidden .byte 0x66, 0x0f, 0x38, 0x82, 0x04, 0x24  /* INVPCID (%rsp) */
    forbidden .byte 0x0f, 0x37                  /* GETSEC */
    forbidden .byte 0x0f, 0xaa                  /* RSM */
    forbidden .byte 0x0f, 0x01, 0xcf            /* ENCLS */
    forbidden .byte 0x0f, 0x01, 0xd7            /* ENCLU */
    forbidden .byte 0x0f, 0x01, 0xd8            /* VMRUN */
    forbidden .byte 0x0f, 0x01, 0xdc            /* STGI */
    forbidden xsetbv
    forbidden xgetbv
    forbidden .byte 0x0f, 0xae, 0x23            /* XSAVE */
    forbidden .byte 0x0f, 0xae, 0x2b            /* XRSTOR */
    forbidden .byte 0x0f, 0xc7, 0x1b            /* XRSTORS */
    forbidden monitor
    forbidden mwait
    forbidden .byte 0x0f, 0x01, 0xfa            /* MONITORX */
    forbidden invd
    forbidden wbinvd
    forbidden .byte 0xf3, 0x0f, 0x09            /* WBNOINVD */
    forbidden invlpg (%rbx)
    forbidden rdpmc
    forbidden rdtscp
    forbidden .byte 0xf3, 0x0f, 0xc7, 0xf8      /* RDPID */
    forbidden .byte 0x0f, 0x01, 0xee            /* RDPKRU */
    forbidden .byte 0x0f, 0x01, 0xef            /* WRPKRU */
    forbidden .byte 0x0f, 0x01, 0xca            /* CLAC */
    forbidden swapgs_twice
    forbidden sgdt -16(%rsp)
    forbidden sidt -16(%rsp)
    forbidden sldt %eax
    forbidden str %eax
    forbidden smsw %eax
    forbidden verr %ax
    forbidden lsl %ax, %ax
    forbidden lldt %dx
    forbidden ltr %dx
    forbidden sysenter
    forbidden sysexitl
    forbidden ud2
    forbidden .byte 0x0f, 0xff, 0xc0            /* UD0 */
    forbidden .byte 0x0f, 0xb9, 0xc0            /* UD1 */
    forbidden .byte 0xf0, 0x90                  /* LOCK NOP */
    forbidden .byte 0x0f, 0x0b
    forbidden .byte 0xd6                        /* SALC */
    forbidden .byte 0xf1                        /* INT1 */
    forbidden int $0x80
    forbidden int $0xff
    forbidden rdrand %rax
    forbidden rdseed %rax
    forbidden clflush (%rbx)
    forbidden prefetcht0 (%rbx)
    forbidden .byte 0x66, 0x0f, 0xae, 0x3b      /* CLFLUSHOPT */
    forbidden .byte 0x0f, 0x0d, 0x0b            /* PREFETCHW */
    forbidden .byte 0xc5, 0xf8, 0x10, 0x03      /* VMOVUPS */
    forbidden .byte 0x62, 0xf1, 0x7c, 0x48, 0x10, 0x03  /* VMOVUPS, 512 bits */
    movq back(%rip), %rax
    jmp *%rax

    .data 4
    .long 0
    .data 0
    .balign 8
/* RAM, a hole, the local APIC, no page, no address. */
operands: .quad WINDOW + 0x800, WINDOW + 0x1000, WINDOW + 0x2000, WINDOW + 0x3000
    .quad 0x8000000000000000, 0
back: .quad 0
    .bss
    .balign 16
    .space 1024
ring3_stack_top:
