/* x2APIC mode: registers by MSR, one-write self-IPI, no page, no way back but through off. */
#define NAME "x2apic"
#include "common.inc"

#define APIC_BASE 0x1b
#define VECTOR 0x35
#define ID 0x802
#define TPR 0x808
#define EOI 0x80b
#define SPURIOUS 0x80f
#define ICR 0x830
#define LVT_TIMER 0x832
#define INITIAL 0x838
#define CURRENT 0x839
#define DIVIDE 0x83e
#define SELF_IPI 0x83f

    .text
    .code32
main:
    movl $1, %eax
    cpuid
    testl $0x200000, %ecx
    jnz 1f
    SKIP32("CPUID has none")
1:  ENTER64(long)

    .code64
long:
    /* Not before the mode is on. */
    movl $ID, %ecx
    TRY64(rdmsr)
    FAULTED64(13, 0)
    movl $APIC_BASE, %ecx
    rdmsr
    orl $0x400, %eax
    wrmsr
    movb $1, use_x2apic(%rip)
    movl $ID, %ecx
    rdmsr
    testl %edx, %edx
    CHECK64(z)
    testl %eax, %eax
    CHECK64(z)
    movl $SPURIOUS, %ecx
    movl $0x1ff, %eax
    xorl %edx, %edx
    wrmsr
    /* A self-IPI by its own register and by the command register. */
    movl $SELF_IPI, %ecx
    movl $VECTOR, %eax
    wrmsr
    sti
    nop
    nop
    cli
    cmpl $1, irq_count + VECTOR * 4(%rip)
    CHECK64(e)
    movl $ICR, %ecx
    movl $0x40000 + VECTOR, %eax
    wrmsr
    sti
    nop
    nop
    cli
    cmpl $2, irq_count + VECTOR * 4(%rip)
    CHECK64(e)
    /* TPR and CR8 are one. */
    movl $TPR, %ecx
    movl $0x70, %eax
    wrmsr
    movq %cr8, %rax
    cmpq $7, %rax
    CHECK64(e)
    xorl %eax, %eax
    movq %rax, %cr8
    rdmsr
    testl %eax, %eax
    CHECK64(z)
    /* The timer, HLT. */
    movl $DIVIDE, %ecx
    movl $0xb, %eax
    xorl %edx, %edx
    wrmsr
    movl $LVT_TIMER, %ecx
    movl $VECTOR, %eax
    wrmsr
    movl $INITIAL, %ecx
    movl $100000, %eax
    wrmsr
    sti
    hlt
    cli
    cmpl $3, irq_count + VECTOR * 4(%rip)
    CHECK64(e)
    /* What does not exist or cannot be: #GP. */
    movl $EOI, %ecx
    movl $1, %eax
    TRY64(wrmsr)
    FAULTED64(13, 0)
    TRY64(rdmsr)
    FAULTED64(13, 0)
    movl $ID, %ecx
    TRY64(wrmsr)
    FAULTED64(13, 0)
    movl $CURRENT, %ecx
    TRY64(wrmsr)
    FAULTED64(13, 0)
    movl $0x80e, %ecx
    TRY64(rdmsr)
    FAULTED64(13, 0)
    movl $TPR, %ecx
    movl $0x100, %eax
    TRY64(wrmsr)
    FAULTED64(13, 0)
    /* Back to xAPIC mode only through disabled. */
    movl $APIC_BASE, %ecx
    rdmsr
    andl $~0x400, %eax
    TRY64(wrmsr)
    FAULTED64(13, 0)
    /* The page is nothing now. */
    movl $LAPIC, %ebx
    cmpl $-1, 0x30(%rbx)
    CHECK64(e)
    rdmsr
    andl $~0xc00, %eax
    wrmsr
    orl $0x800, %eax
    wrmsr
    movb $0, use_x2apic(%rip)
    movq %cr3, %rax
    movq %rax, %cr3
    cmpl $-1, 0x30(%rbx)
    CHECK64(ne)
    jmp pass64
