/* When an interrupt is taken: never with IF=0, not right after STI, else at once;
   priorities, self-IPIs, and an NMI that nothing but another NMI holds back. */
#define NAME "window"
#include "common.inc"

#define FIRST 0x31
#define SECOND 0x3a
#define SOON movl $1000, %ecx; 66: loop 66b

    .text
    .code32
main:
    movl $0x1ff, LAPIC + 0xf0
    movl $0, LAPIC + 0x80
    /* A self-IPI waits while IF=0. */
    movl $0x40000 + FIRST, LAPIC + 0x300
    movl $10000, %ecx
1:  loop 1b
    cmpl $0, irq_count + FIRST * 4
    CHECK32(e)
    /* It is in IRR, and not yet in ISR. */
    movl LAPIC + 0x210, %eax
    testl $1 << (FIRST - 0x20), %eax
    CHECK32(nz)
    /* STI holds it off for one instruction. */
    xorl %eax, %eax
    sti
    movl irq_count + FIRST * 4, %eax
    cli
    testl %eax, %eax
    CHECK32(z)
    cmpl $1, irq_count + FIRST * 4
    CHECK32(e)
    /* STI and CLI at once: it never comes. */
    movl $0x40000 + FIRST, LAPIC + 0x300
    sti
    cli
    cmpl $1, irq_count + FIRST * 4
    CHECK32(e)
    /* POPF opens at once. */
    pushfl
    orl $0x200, (%esp)
    popfl
    nop
    cli
    cmpl $2, irq_count + FIRST * 4
    CHECK32(e)
    /* Open, it comes soon: no processor promises an instruction. */
    sti
    nop
    movl $0x40000 + FIRST, LAPIC + 0x300
    SOON
    cli
    cmpl $3, irq_count + FIRST * 4
    CHECK32(e)
    /* The higher of two comes first, the lower after its end. */
    movl $0x40000 + FIRST, LAPIC + 0x300
    movl $0x40000 + SECOND, LAPIC + 0x300
    sti
    nop
    nop
    cli
    cmpl $4, irq_count + FIRST * 4
    CHECK32(e)
    cmpl $1, irq_count + SECOND * 4
    CHECK32(e)
    cmpl $FIRST, irq_last
    CHECK32(e)
    /* The task priority holds back its own class and those below. */
    movl $0x30, LAPIC + 0x80
    movl $0x40000 + FIRST, LAPIC + 0x300
    sti
    nop
    nop
    cli
    cmpl $4, irq_count + FIRST * 4
    CHECK32(e)
    movl $0x20, LAPIC + 0x80
    sti
    nop
    nop
    cli
    cmpl $5, irq_count + FIRST * 4
    CHECK32(e)
    movl $0, LAPIC + 0x80
    /* HLT with one waiting wakes at once. */
    movl $0x40000 + FIRST, LAPIC + 0x300
    sti
    hlt
    cli
    cmpl $6, irq_count + FIRST * 4
    CHECK32(e)
    /* An NMI to itself, whatever IF is. */
    movl $0x4400, LAPIC + 0x300
    SOON
    cmpl $1, nmi_count
    CHECK32(e)
    /* From a handler that sends a second: that waits for IRET, then comes. */
    movl $nested, %eax
    movw %ax, idt32 + 2 * 8
    shrl $16, %eax
    movw %ax, idt32 + 2 * 8 + 6
    movl $0x4400, LAPIC + 0x300
    SOON
    cmpl $0x201, depth
    CHECK32(e)
    /* An NMI ends HLT with IF=0: the 8254, once, through the I/O APIC as NMI. */
    movl $simple, %eax
    movw %ax, idt32 + 2 * 8
    shrl $16, %eax
    movw %ax, idt32 + 2 * 8 + 6
    movl $0, done
    movl $0x15, IOAPIC
    movl LAPIC + 0x20, %eax
    movl %eax, IOAPIC + 0x10
    movl $0x14, IOAPIC
    movl $0x400, IOAPIC + 0x10
    movb $0x30, %al
    outb %al, $0x43
    xorb %al, %al
    outb %al, $0x40
    movb $0x20, %al
    outb %al, $0x40
    hlt
    cmpl $1, done
    CHECK32(e)
    movl $0x10000, IOAPIC + 0x10
    /* Nothing is left waiting or in service. */
    movl LAPIC + 0x110, %eax
    orl LAPIC + 0x210, %eax
    CHECK32(z)
    jmp pass32

/* `depth`: low byte the deepest nesting, next byte how many. */
nested:
    pushl %eax
    addl $0x100, depth
    incl level
    movl level, %eax
    cmpb %al, depth
    jae 1f
    movb %al, depth
1:  cmpl $0x200, depth
    jae 2f
    movl $0x4400, LAPIC + 0x300
    pushl %ecx
    SOON
    popl %ecx
2:  decl level
    popl %eax
    iretl

simple:
    incl done
    iretl

    .data
    .balign 4
depth: .long 0
level: .long 0
done: .long 0
