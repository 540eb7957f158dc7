/* What the VMM counts of its guest, read by CPUID: exactly the exits that were caused, and no
   kernel call where none is needed. With a command line it waits for a key before it ends. */
#define NAME "statistics"
#include "common.inc"

#define EXITS 0x40000102
#define COUNTERS 0x40000103
/* Counters (lib/statistics). */
#define VMM_TICKS 7
#define ASLEEP 8
#define SLEEPS 9
#define KERNEL_CALLS 13
/* Exit reasons. */
#define REASON_CPUID 10
#define REASON_HLT 12
#define REASON_PORT 30
#define REASON_RDMSR 31
#define REASON_EPT 48
/* Repetitions; every 64 entries the VMM sets the guest's time limit anew, by a kernel call. */
#define TIMES 256
#define LIMITS 6

/* `operation` TIMES times: as many exits with this reason, and at most `calls`
   kernel calls each. */
#define MEASURE(reason, calls, ...) \
    movl $(reason), %edi; \
    call exits; \
    movq %rax, exits_before(%rip); \
    movl $KERNEL_CALLS, %edi; \
    call counter; \
    movq %rax, calls_before(%rip); \
    movl $TIMES, %ebp; \
88: __VA_ARGS__; \
    decl %ebp; \
    jnz 88b; \
    movl $KERNEL_CALLS, %edi; \
    call counter; \
    subq calls_before(%rip), %rax; \
    cmpq $((calls) * TIMES + LIMITS), %rax; \
    CHECK64(be); \
    movl $(reason), %edi; \
    call exits; \
    subq exits_before(%rip), %rax; \
    cmpq $(TIMES + own_##reason), %rax; \
    CHECK64(e)

/* CPUIDs of the measurement itself: the two counters, and the last question. */
#define own_REASON_CPUID 3
#define own_REASON_PORT 0
#define own_REASON_RDMSR 0
#define own_REASON_EPT 0

    .text
    .code32
main:
    movl $0x40000100, %eax
    cpuid
    cmpl $0x6b6c7542, %ebx              /* "Bulk" */
    je 1f
    SKIP32("not Bulkhead")
1:  cmpl $COUNTERS, %eax
    CHECK32(ae)
    ENTER64(long)

    .code64
/* EDI: which. RAX: the count. */
exits:
    movl $EXITS, %eax
    jmp 1f
counter:
    movl $COUNTERS, %eax
1:  pushq %rbx
    movl %edi, %ecx
    cpuid
    shlq $32, %rbx
    orq %rbx, %rax
    popq %rbx
    ret

long:
    /* What does not exist is told by EDX. */
    xorl %edi, %edi
    call counter
    orl %eax, %edx
    CHECK64(z)
    movl $KERNEL_CALLS, %edi
    call counter
    cmpl $1, %edx
    CHECK64(e)

    MEASURE(REASON_CPUID, 0, xorl %eax, %eax; cpuid)
    MEASURE(REASON_PORT, 0, outb %al, $0x80)
    MEASURE(REASON_PORT, 0, movl $COM1 + 7, %edx; outb %al, %dx)
    MEASURE(REASON_PORT, 0, movl $COM1 + 7, %edx; inb %dx, %al)
    MEASURE(REASON_RDMSR, 0, movl $0x1b, %ecx; rdmsr)
    /* Device memory: EFER and CS decide how code is read. */
    movl $LAPIC, %r8d
    MEASURE(REASON_EPT, 2, movl 0x20(%r8), %eax)
    /* But not above 4 GiB, where operating systems are: the same memory again. */
    movq pml4(%rip), %rax
    movq %rax, pml4 + 8(%rip)
    movq $1 << 39, %rax
    lea 1f(%rip), %rcx
    addq %rcx, %rax
    jmp *%rax
1:  MEASURE(REASON_EPT, 0, movl 0x20(%r8), %eax)
    movl $1f, %eax
    jmp *%rax
1:

    /* The VMM needs some time for an exit, and not all there is. */
    movl $VMM_TICKS, %edi
    call counter
    movq %rax, %r12
    rdtsc
    shlq $32, %rdx
    leaq (%rax, %rdx), %r13
    movl $TIMES, %ebp
1:  outb %al, $0x80
    decl %ebp
    jnz 1b
    rdtsc
    shlq $32, %rdx
    addq %rdx, %rax
    subq %r13, %rax
    movq %rax, %r13
    movl $VMM_TICKS, %edi
    call counter
    subq %r12, %rax
    cmpq %r13, %rax
    CHECK64(b)
    cmpq $TIMES * 20, %rax
    CHECK64(a)

    /* Nothing slept so far. */
    movl $SLEEPS, %edi
    call counter
    testq %rax, %rax
    CHECK64(z)
    movl $ASLEEP, %edi
    call counter
    testq %rax, %rax
    CHECK64(z)

    /* The total, for whoever asks from outside: these are the last two. */
    movl $REASON_CPUID, %edi
    call exits
    movq %rax, %rbx
    lea text_cpuids(%rip), %rsi
    call puts64
    movl %ebx, %eax
    call hex64
    lea text_newline(%rip), %rsi
    call puts64

    /* A command line: wait for a key. */
    movl start_info(%rip), %ebx
    testl %ebx, %ebx
    jz pass64
    movl 24(%rbx), %ebx
    testl %ebx, %ebx
    jz pass64
    cmpb $0, (%rbx)
    je pass64
    movl $COM1 + 5, %edx
1:  pause
    inb %dx, %al
    testb $1, %al
    jz 1b
    jmp pass64

    .data
text_cpuids: .asciz "cpuids "
    .balign 8
exits_before: .quad 0
calls_before: .quad 0
