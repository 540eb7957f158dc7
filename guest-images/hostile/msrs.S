/*
 * RDMSR of every MSR in the ranges that exist, are a hypervisor's, or are any; WRMSR of random
 * bits; where reading works also of what was read with a bit changed, and of what is not canonical; the whole
 * twice, the second time with the local APIC in x2APIC mode. A command that is an INIT to itself is
 * not written (`ends` does), nor MSRs without which this guest cannot go on: EFER's LME and SCE stay,
 * the bases of FS, GS and the APIC's page are not used.
 */
#define NAME "msrs"
#include "common.inc"
#include "attack.inc"

#define RANDOM 5000
#define APIC_BASE 0x1b
#define ICR 0x830
#define INITIAL_COUNT 0x838

    ATTACK
    movl $2, %r15d
round:
    movl $ranges, %ebp
each_range:
    movl (%rbp), %r12d
    movl 4(%rbp), %r13d
    testl %r13d, %r13d
    jz anywhere
each:
    call one
    incl %r12d
    decl %r13d
    jnz each
    addl $8, %ebp
    jmp each_range
anywhere:
    movl $RANDOM, %r13d
1:  call random
    movl %eax, %r12d
    call one
    decl %r13d
    jnz 1b
    /* The APIC's base may be anything now, or it is off. */
    movl $APIC_BASE, %ecx
    movl $LAPIC, %eax
    xorl %edx, %edx
    ATTEMPT(wrmsr)
    orl $0x800, %eax
    ATTEMPT(wrmsr)
    orl $0x400, %eax
    ATTEMPT(wrmsr)
    decl %r15d
    jnz round
    jmp survived

/* MSR R12: read, and written at random; if it can be read, in more ways. */
one:
    popq %r14
    movl traps(%rip), %eax
    movl %eax, before(%rip)
    movl %r12d, %ecx
    ATTEMPT(rdmsr)
    movl %eax, %ebx
    movl %edx, was_high(%rip)
    call random
    movq %rax, %rdx
    shrq $32, %rdx
    call write
    movl before(%rip), %eax
    cmpl traps(%rip), %eax
    je 1f
    jmp *%r14
1:  /* A bit changed. */
    call random
    movl %ebx, %edx
    btcl %eax, %edx
    movl %edx, %eax
    movl was_high(%rip), %edx
    call write
    call random
    movl was_high(%rip), %edx
    btcl %eax, %edx
    movl %ebx, %eax
    call write
    /* Not canonical. */
    movl $0x12345678, %edx
    call write
    /* As it was; no timer of the local APIC. */
    movl %ebx, %eax
    movl was_high(%rip), %edx
    call write
    xorl %eax, %eax
    xorl %edx, %edx
    movl $INITIAL_COUNT, %ecx
    ATTEMPT(wrmsr)
    jmp *%r14

/* EDX:EAX to MSR R12. */
write:
    popq %r11
    movl %r12d, %ecx
    cmpl $ICR, %ecx
    jne 1f
    andl $~0x500, %eax
1:  cmpl $0xc0000080, %ecx
    jne 2f
    orl $0x101, %eax
2:  ATTEMPT(wrmsr)
    jmp *%r11

    .data
    .balign 8
/* First, and how many. */
ranges:
    .long 0, 0x2000
    .long 0xc0000000, 0x2000
    .long 0x40000000, 0x2000
    .long 0x4b564d00, 0x100
    .long 0xc0010000, 0x2000
    .long 0x80000000, 16
    .long 0x7ffffff0, 32
    .long 0xfffffff0, 15
    .long 0, 0
was_high: .long 0
before: .long 0
