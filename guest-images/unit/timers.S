/* HLT until the 8254, the local APIC's timer in each mode, and the RTC's update wake it. */
#define NAME "timers"
#include "common.inc"

#define TIMER_VECTOR 0x31
#define TSC_DEADLINE 0x6e0

    .text
    .code32
main:
    call route_pic
    /* 8254 channel 0 at 1 kHz: five ticks, slept through. */
    movb $0x34, %al
    outb %al, $0x43
    movb $(1193 & 0xff), %al
    outb %al, $0x40
    movb $(1193 >> 8), %al
    outb %al, $0x40
    movb $0xfe, %al
    outb %al, $0x21
1:  sti
    hlt
    cli
    cmpl $5, irq_count + 0x20 * 4
    jb 1b
    movb $0xff, %al
    outb %al, $0x21
    /* Through the I/O APIC, pin 2, to vector 0x32; LINT0 and the 8259s closed. */
    movl $0x1ff, LAPIC + 0xf0
    movl $0x14, IOAPIC
    movl $0x32, IOAPIC + 0x10
    movl $0x15, IOAPIC
    movl LAPIC + 0x20, %eax
    movl %eax, IOAPIC + 0x10
    movl $0x14, IOAPIC
2:  sti
    hlt
    cli
    cmpl $5, irq_count + 0x32 * 4
    jb 2b
    movl $0x00010032, IOAPIC + 0x10
    /* What is still on its way. */
    sti
    nop
    nop
    cli
    /* The local APIC's timer: once. */
    movl $0xb, LAPIC + 0x3e0
    movl $TIMER_VECTOR, LAPIC + 0x320
    movl $100000, LAPIC + 0x380
    sti
    hlt
    cli
    cmpl $1, irq_count + TIMER_VECTOR * 4
    CHECK32(e)
    cmpl $0, LAPIC + 0x390
    CHECK32(e)
    /* It counts down, and stops when told. */
    movl $0x10000000, LAPIC + 0x380
    movl LAPIC + 0x390, %eax
    movl $10000, %ecx
3:  loop 3b
    cmpl LAPIC + 0x390, %eax
    CHECK32(a)
    movl $0, LAPIC + 0x380
    cmpl $0, LAPIC + 0x390
    CHECK32(e)
    /* Periodic: ten times. */
    movl $0x20000 | TIMER_VECTOR, LAPIC + 0x320
    movl $100000, LAPIC + 0x380
4:  sti
    hlt
    cli
    cmpl $11, irq_count + TIMER_VECTOR * 4
    jb 4b
    movl $0x10000, LAPIC + 0x320
    movl $0, LAPIC + 0x380
    sti
    nop
    nop
    cli
    /* At a value of the TSC. */
    movl $1, %eax
    cpuid
    testl $0x01000000, %ecx
    jz 6f
    movl irq_count + TIMER_VECTOR * 4, %esi
    movl $0x40000 | TIMER_VECTOR, LAPIC + 0x320
    mfence
    rdtsc
    addl $1000000, %eax
    adcl $0, %edx
    movl %eax, %edi
    movl %edx, %ebp
    movl $TSC_DEADLINE, %ecx
    wrmsr
    sti
    hlt
    cli
    movl irq_count + TIMER_VECTOR * 4, %eax
    subl %esi, %eax
    cmpl $1, %eax
    CHECK32(e)
    /* Not before its time, and disarmed. */
    rdtsc
    subl %edi, %eax
    sbbl %ebp, %edx
    CHECK32(nc)
    movl $TSC_DEADLINE, %ecx
    rdmsr
    orl %edx, %eax
    CHECK32(z)
6:  movl $0x10000, LAPIC + 0x320
    /* The RTC's periodic interrupt, IRQ 8, at 1024 Hz. */
    call route_pic
    movb $0xfb, %al
    outb %al, $0x21
    movb $0xfe, %al
    outb %al, $0xa1
    movb $0x0a, %al
    outb %al, $0x70
    movb $0x26, %al
    outb %al, $0x71
    movb $0x0b, %al
    outb %al, $0x70
    movb $0x42, %al
    outb %al, $0x71
    movl $3, %esi
7:  movb $0x0c, %al
    outb %al, $0x70
    inb $0x71, %al
    movl irq_count + 0x28 * 4, %edi
    sti
    hlt
    cli
    cmpl irq_count + 0x28 * 4, %edi
    CHECK32(ne)
    decl %esi
    jnz 7b
    movb $0x0b, %al
    outb %al, $0x70
    movb $0x02, %al
    outb %al, $0x71
    jmp pass32

/* The 8259s at vectors 0x20 and 0x28, all lines masked; LINT0 lets them through. */
route_pic:
    movb $0x11, %al
    outb %al, $0x20
    outb %al, $0xa0
    movb $0x20, %al
    outb %al, $0x21
    movb $0x28, %al
    outb %al, $0xa1
    movb $4, %al
    outb %al, $0x21
    movb $2, %al
    outb %al, $0xa1
    movb $1, %al
    outb %al, $0x21
    outb %al, $0xa1
    movb $0xff, %al
    outb %al, $0x21
    outb %al, $0xa1
    movl $0x1ff, LAPIC + 0xf0
    movl $0x700, LAPIC + 0x350
    ret
