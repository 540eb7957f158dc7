/* CPUID in 16-, 32- and 64-bit code: answers are sane, equal, and touch nothing else. */
#define NAME "cpuid"
#include "common.inc"

    .section .low, "awx"
    .code16
cpuid16:
    xorl %eax, %eax
    movl $0xffffffff, %ecx
    cpuid
    /* At least leaf 1, and the same vendor as elsewhere: compared later. */
    cmpl $1, %eax
    CHECK16(ae)
    movl %ebx, %cs:(low_result - low_image)
    ret

    .text
    .code32
main:
    CALL16(cpuid16)
    xorl %eax, %eax
    xorl %ecx, %ecx
    cpuid
    movl %eax, highest
    movl %ebx, vendor
    cmpl %ebx, result16
    CHECK32(e)
    /* The vendor is printable: no byte above 0x7e, none below 0x20. */
    movl %ebx, %eax
    orl %ecx, %eax
    orl %edx, %eax
    testl $0x80808080, %eax
    CHECK32(z)
    movl %ebx, %eax
    andl %ecx, %eax
    orl %edx, %eax
    testl $0x60606060, %eax
    CHECK32(nz)
    /* FPU, TSC, MSR, APIC, CMPXCHG8B: no PC of ours is without. */
    movl $1, %eax
    cpuid
    movl %edx, %eax
    andl $0x331, %eax
    cmpl $0x331, %eax
    CHECK32(e)
    /* Extended leaves exist, and long mode. */
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000008, %eax
    CHECK32(ae)
    movl $0x80000001, %eax
    cpuid
    testl $0x20000000, %edx
    CHECK32(nz)
    /* Physical addresses of at least 36 bits. */
    movl $0x80000008, %eax
    cpuid
    cmpb $36, %al
    CHECK32(ae)
    /* A thousand times the same, flags and other registers kept. */
    movl $1000, %esi
    movl $0x11223344, %edi
    movl $0x55667788, %ebp
1:  xorl %eax, %eax
    stc
    cpuid
    CHECK32(c)
    cmpl vendor, %ebx
    CHECK32(e)
    decl %esi
    jnz 1b
    cmpl $0x11223344, %edi
    CHECK32(e)
    cmpl $0x55667788, %ebp
    CHECK32(e)
    ENTER64(long)

    .code64
long:
    /* Upper halves are cleared, RSI to R15 kept. */
    movq $-1, %rax
    movq %rax, %rbx
    movq %rax, %rcx
    movq %rax, %rdx
    movl $0, %eax
    movq $0x1122334455667788, %r8
    movq %r8, %r15
    movq %r8, %rsi
    cpuid
    movq %rax, %rdi
    orq %rbx, %rdi
    orq %rcx, %rdi
    orq %rdx, %rdi
    shrq $32, %rdi
    CHECK64(z)
    cmpl vendor(%rip), %ebx
    CHECK64(e)
    cmpl highest(%rip), %eax
    CHECK64(e)
    cmpq %r8, %r15
    CHECK64(e)
    cmpq %r8, %rsi
    CHECK64(e)
    /* Said to run on a hypervisor: then it names itself. */
    movl $1, %eax
    cpuid
    testl $0x80000000, %ecx
    jz 1f
    movl $0x40000000, %eax
    cpuid
    cmpl $0x40000000, %eax
    CHECK64(ae)
    testl %ebx, %ebx
    CHECK64(nz)
1:  jmp pass64

    .data
highest: .long 0
vendor: .long 0
