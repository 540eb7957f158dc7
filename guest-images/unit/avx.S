/* AVX where it is offered: XCR0 takes what leaf Dh says and nothing else, and the upper halves of
   the YMM registers outlast thousands of exits. Where it is not offered, XSETBV and AVX are #UD. */
#define NAME "avx"
#include "common.inc"

#define ROUNDS 1000
/* Between two exits: long enough, with many of them, to be preempted. */
#define SPIN 2000
#define CR4_OSXSAVE 0x40000
/* CPUID leaf 1, ECX: XSAVE, OSXSAVE, AVX. */
#define XSAVE_AVX 0x14000000
#define OSXSAVE 0x8000000

    .text
    .code32
main:
    movl %cr4, %eax
    orl $0x600, %eax
    movl %eax, %cr4
    movl %cr0, %eax
    andl $~0xc, %eax
    orl $0x22, %eax
    movl %eax, %cr0
    ENTER64(long)

    .code64
long:
    movl $1, %eax
    cpuid
    testl $OSXSAVE, %ecx
    CHECK64(z)
    andl $XSAVE_AVX, %ecx
    cmpl $XSAVE_AVX, %ecx
    je offered

    /* One without the other is of no use. */
    testl %ecx, %ecx
    CHECK64(z)
    xorl %ecx, %ecx
    xorl %edx, %edx
    movl $7, %eax
    TRY64(xsetbv)
    FAULTED64(6, 0)
    TRY64(vzeroupper)
    FAULTED64(6, 0)
    jmp pass64

offered:
    xorl %ecx, %ecx
    xorl %edx, %edx
    movl $7, %eax
    TRY64(xsetbv)
    FAULTED64(6, 0)
    movq %cr4, %rax
    orl $CR4_OSXSAVE, %eax
    movq %rax, %cr4
    movl $1, %eax
    cpuid
    testl $OSXSAVE, %ecx
    CHECK64(nz)

    /* All that is offered, as an operating system would. */
    movl $0xd, %eax
    xorl %ecx, %ecx
    cpuid
    movl %eax, %ebx
    xorl %ecx, %ecx
    TRY64(xsetbv)
    NOT_FAULTED64
    xgetbv
    cmpl %ebx, %eax
    CHECK64(e)
    /* AVX without SSE, nothing, and another register. */
    movl $5, %eax
    TRY64(xsetbv)
    FAULTED64(13, 0)
    xorl %eax, %eax
    TRY64(xsetbv)
    FAULTED64(13, 0)
    movl %ebx, %eax
    movl $1, %ecx
    TRY64(xsetbv)
    FAULTED64(13, 0)

    /* 16 registers of 32 bytes, no two words the same; another guest's are others. */
    rdtsc
    movl %eax, %ebx
    lea wanted(%rip), %rdi
    movl $128, %ecx
1:  imull $1664525, %ebx, %ebx
    addl $1013904223, %ebx
    movl %ebx, (%rdi)
    addq $4, %rdi
    decl %ecx
    jnz 1b
    lea wanted(%rip), %rsi
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vmovups \n * 32(%rsi), %ymm\n
    .endr

    movl $ROUNDS, %r8d
2:  xorl %eax, %eax
    cpuid
    movl $SPIN, %ecx
3:  decl %ecx
    jnz 3b
    lea found(%rip), %rdi
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vmovups %ymm\n, \n * 32(%rdi)
    .endr
    lea wanted(%rip), %rsi
    movl $64, %ecx
    repe cmpsq
    CHECK64(e)
    decl %r8d
    jnz 2b
    jmp pass64

    .bss
    .balign 32
wanted: .skip 512
found: .skip 512
