/*
 * How late an interrupt of the local APIC's timer is: from the value of the
 * time-stamp counter that was programmed to the handler's first instruction. First
 * with a guest that computes, then with one that waits in HLT.
 */
#define NAME "timer"
#include "common.inc"
#include "measure.inc"

#define APIC_BASE 0x1b
#define TSC_DEADLINE 0x6e0
#define EOI 0x80b
#define SPURIOUS 0x80f
#define LVT_TIMER 0x832
#define VECTOR 0x50
/* Deadlines lie this far ahead, and a little further each time, so that they fall
   on no grid of anybody's: a prime. */
#define AHEAD 30000
#define STEP 37

    .text
    .code32
main:
    ENTER64(long)

    .code64
long:
    cld
    SETTLED
    movl $1, %eax
    cpuid
    andl $0x01200000, %ecx
    cmpl $0x01200000, %ecx
    je 1f
    SKIP64("CPUID has no x2APIC or no TSC-deadline timer")
1:  movl $idt64 + VECTOR * 16, %edi
    movl $on_timer, %eax
    call gate64
    movl $APIC_BASE, %ecx
    rdmsr
    orl $0x400, %eax
    wrmsr
    movb $1, use_x2apic(%rip)
    xorl %edx, %edx
    movl $SPURIOUS, %ecx
    movl $0x1ff, %eax
    wrmsr
    movl $LVT_TIMER, %ecx
    movl $0x40000 | VECTOR, %eax
    wrmsr

    /* RDI: where the next sample goes; RBX: how far ahead; R10: the deadline. */
    lea samples(%rip), %rdi
    movl $AHEAD, %ebx
2:  call program
    sti
3:  pause
    testq %r10, %r10
    jnz 3b
    cli
    lea samples_end(%rip), %rax
    cmpq %rax, %rdi
    jne 2b
    PRINT_SAMPLES("timer_latency")

    lea samples(%rip), %rdi
    movl $AHEAD, %ebx
4:  call program
    sti
    hlt
    cli
    testq %r10, %r10
    CHECK64(z)
    lea samples_end(%rip), %rax
    cmpq %rax, %rdi
    jne 4b
    PRINT_SAMPLES("timer_latency_halted")
    jmp pass64

program:
    addl $STEP, %ebx
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    leaq (%rax, %rbx), %r10
    movq %r10, %rax
    movq %r10, %rdx
    shrq $32, %rdx
    movl $TSC_DEADLINE, %ecx
    wrmsr
    ret

on_timer:
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    subq %r10, %rax
    jae 1f
    movl $__LINE__, failed_line(%rip)   /* before its time */
    jmp fail64
1:  stosl
    xorl %r10d, %r10d
    movl $EOI, %ecx
    xorl %eax, %eax
    xorl %edx, %edx
    wrmsr
    iretq
