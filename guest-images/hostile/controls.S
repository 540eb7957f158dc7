/*
 * Each bit of CR0, CR3, CR4, CR8, XCR0, EFER and DR0 to DR7, alone, all but it, and random patterns;
 * LMSW, CLTS, SMSW, XSETBV. Pages are the supervisor's, so that SMEP and SMAP may be on; what would make
 * this very guest impossible (paging off in 64-bit code) is a fault by the processor's rules.
 */
#define NAME "controls"
#include "common.inc"
#include "attack.inc"

#define RANDOM 3000

    ATTACK
    /* Tables for the supervisor alone. */
    movl $pml4, %edi
    movl $6 * 512, %ecx
1:  andb $~4, (%rdi)
    addl $8, %edi
    decl %ecx
    jnz 1b
    movq %cr3, %rax
    movq %rax, %cr3

    .macro patterns register:req
    /* One bit, then all but one, then random ones. */
    xorl %r12d, %r12d
1:  movl $1, %eax
    movb %r12b, %cl
    shlq %cl, %rax
    movq %rax, %rbx
    call try_\register
    movq %rbx, %rax
    notq %rax
    call try_\register
    /* The present value, with it changed. */
    movq was(%rip), %rax
    xorq %rbx, %rax
    call try_\register
    incl %r12d
    cmpl $64, %r12d
    jne 1b
    movl $RANDOM, %r12d
2:  call random
    call try_\register
    call random
    movq %rax, %rbx
    call random
    andq %rax, %rbx
    xorq was(%rip), %rbx
    movq %rbx, %rax
    call try_\register
    decl %r12d
    jnz 2b
    .endm

    .macro control register:req, name:req
    movq %\register, %rax
    movq %rax, was(%rip)
    patterns \name
    .endm
    control cr0, cr0
    control cr4, cr4
    control cr3, cr3
    control cr8, cr8
    movl $0xc0000080, %ecx
    rdmsr
    movq %rax, was(%rip)
    patterns efer
    movq $1, was(%rip)
    patterns xcr0
    movq $0x400, was(%rip)
    patterns debug
    movq $0x11, was(%rip)
    patterns words
    jmp survived

/* Each writes RAX, and then what was there before. */
try_cr0:
    popq %rbp
    ATTEMPT(movq %rax, %cr0)
    movq was(%rip), %rax
    ATTEMPT(movq %rax, %cr0)
    jmp *%rbp
try_cr4:
    popq %rbp
    ATTEMPT(movq %rax, %cr4)
    movq was(%rip), %rax
    ATTEMPT(movq %rax, %cr4)
    jmp *%rbp
/* The table is the same: the bits around its address differ, and the 52nd and beyond. */
try_cr3:
    popq %rbp
    movq $0xfff0000000000fff, %rdx
    andq %rdx, %rax
    movl $pml4, %edx
    orq %rdx, %rax
    ATTEMPT(movq %rax, %cr3)
    movq was(%rip), %rax
    ATTEMPT(movq %rax, %cr3)
    jmp *%rbp
try_cr8:
    popq %rbp
    ATTEMPT(movq %rax, %cr8)
    movq was(%rip), %rax
    ATTEMPT(movq %rax, %cr8)
    jmp *%rbp
try_efer:
    popq %rbp
    movq %rax, %rdx
    shrq $32, %rdx
    movl $0xc0000080, %ecx
    ATTEMPT(wrmsr)
    movl was(%rip), %eax
    xorl %edx, %edx
    ATTEMPT(wrmsr)
    jmp *%rbp
try_xcr0:
    popq %rbp
    movq %rax, %rdx
    shrq $32, %rdx
    movl %r12d, %ecx
    andl $3, %ecx
    ATTEMPT(xsetbv)
    ATTEMPT(xgetbv)
    jmp *%rbp
/* DR7 last, so that a breakpoint may strike; then all off. */
try_debug:
    popq %rbp
    movq %rax, %rdx
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    ATTEMPT(movq %rdx, %db\n)
    .endr
    movl %edx, %eax
    ATTEMPT(movq %rax, %db6)
    movl $spare_word, %ecx
    ATTEMPT(movq %rcx, %db0)
    ATTEMPT(movq %rax, %db7)
    ATTEMPT(movl %eax, spare_word(%rip))
    xorl %eax, %eax
    ATTEMPT(movq %rax, %db7)
    jmp *%rbp
try_words:
    popq %rbp
    /* LMSW sets PE, MP, EM, TS, and cannot clear PE. */
    ATTEMPT(lmsw %ax)
    ATTEMPT(smsw %eax)
    ATTEMPT(clts)
    movq %cr0, %rax
    ATTEMPT(fninit)
    andb $~0xe, %al
    ATTEMPT(movq %rax, %cr0)
    jmp *%rbp

    .data
    .balign 8
was: .quad 0
spare_word: .long 0
