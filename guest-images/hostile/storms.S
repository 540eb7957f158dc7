/*
 * Interrupt storms, each for 30 ms of time, interrupts on, from handlers that acknowledge at once, so that
 * the next comes at once: self-IPIs and NMIs, by page and by MSR; TSC deadlines long past; the local APIC's
 * timer with a period of one; the 8254 with divisor 1 through the 8259s and through the I/O APIC; a level
 * that nobody lowers; the RTC at 8 kHz; errors of the local APIC; masks toggled; all of them with HLT. Between
 * two of its instructions a guest may then get nothing done: it is the handler that looks at the clock.
 */
#define NAME "storms"
#include "common.inc"
#include "attack.inc"

#define DURATION 3000000
#define VECTOR 0x40
#define TSC_DEADLINE 0x6e0

    .code32
main:
    ENTER64(long)

    .code64
/* Runs the instructions again and again until the time is up, then makes everything quiet; interrupts
   are off before and behind, so that a source may be set up. */
#define STORM(name, ...) \
    lea 66f(%rip), %rsi; call begin; \
65: __VA_ARGS__; call look; cmpb $0, over(%rip); je 65b; jmp 67f; \
66: .asciz name; \
67: call quell; cli

long:
    movl $idt64 + VECTOR * 16, %edi
    movl $by_apic, %eax
    call gate64
    movl $idt64 + 0x20 * 16, %edi
    movl $16, %ecx
1:  movl $by_pics, %eax
    call gate64
    decl %ecx
    jnz 1b
    movl $idt64 + 2 * 16, %edi
    movl $by_nmi, %eax
    call gate64
    movl $LAPIC, %ebx
    movl $IOAPIC, %r12d
    call settle

    STORM("self-IPI", movl $0x40000 + VECTOR, 0x300(%rbx))
    STORM("self-NMI", movl $0x40400, 0x300(%rbx))
    STORM("errors", movl $VECTOR, 0x370(%rbx); movl $0x40003, 0x300(%rbx); movl $0, 0x280(%rbx))
    movl $0x40000 + VECTOR, 0x320(%rbx)
    mfence
    STORM("deadlines past", call past)
    movl $0xb, 0x3e0(%rbx)
    movl $0x20000 + VECTOR, 0x320(%rbx)
    movl $1, 0x380(%rbx)
    STORM("period 1", nop)
    movl $0xb, 0x3e0(%rbx)
    movl $0x20000 + VECTOR, 0x320(%rbx)
    movl $1, 0x380(%rbx)
    STORM("period 1, asleep", call nap)
    movl $VECTOR, 0x320(%rbx)
    STORM("count 1 again", movl $1, 0x380(%rbx))
    /* The 8254 by the 8259s: mode 2 has no divisor 1, mode 3 has. */
    .irp mode, 0x34, 0x36, 0x30, 0x38
    call pit_\mode
    STORM("8254 mode \mode", call pit_\mode)
    .endr
    STORM("8259 masks", movb $0, %al; outb %al, $0x21; movb $0xff, %al; outb %al, $0x21)
    /* By the I/O APIC: the 8254 on an edge; COM1's transmitter on a level that stays. */
    call pit_0x34
    movb $0xff, %al
    outb %al, $0x21
    movl $0x14, (%r12)
    movl $VECTOR, 0x10(%r12)
    STORM("8254 by the I/O APIC", call pit_0x36)
    OUTB(COM1 + 4, 8)
    OUTB(COM1 + 1, 2)
    movl $0x18, (%r12)
    movl $0x8000 + VECTOR, 0x10(%r12)
    STORM("level", nop)
    OUTB(COM1 + 4, 8)
    OUTB(COM1 + 1, 2)
    STORM("masks of a level", movl $0x18, (%r12); movl $0x18000 + VECTOR, 0x10(%r12); movl $0x8000 + VECTOR, 0x10(%r12))
    /* The RTC. */
    call rtc
    STORM("RTC", call rtc)
    /* x2APIC: one write an interrupt. */
    movl $0x1b, %ecx
    rdmsr
    orl $0x400, %eax
    wrmsr
    movb $1, use_x2apic(%rip)
    STORM("x2APIC self-IPI", movl $0x83f, %ecx; movl $VECTOR, %eax; xorl %edx, %edx; wrmsr)
    STORM("x2APIC NMI", movl $0x830, %ecx; movl $0x40400, %eax; xorl %edx, %edx; wrmsr)
    jmp survived

/* RSI: what begins, printed quietly. */
begin:
    cli
    call puts64
    lea text_newline(%rip), %rsi
    call puts64
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    addq $DURATION, %rax
    movq %rax, until(%rip)
    movb $0, over(%rip)
    cmpb $0, use_x2apic(%rip)
    jne 1f
    movl $0x1ff, 0xf0(%rbx)
1:  sti
    ret

/* Whether the time is up. */
look:
    pushq %rax
    pushq %rdx
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    cmpq until(%rip), %rax
    jb 1f
    movb $1, over(%rip)
1:  popq %rdx
    popq %rax
    ret

/* HLT, unless the storm is over: nothing would end it. */
nap:
    cli
    cmpb $0, over(%rip)
    jne 1f
    sti
    hlt
1:  sti
    ret

/* No more of it. */
quell:
    cli
    pushq %rax
    pushq %rdx
    movb $0xff, %al
    outb %al, $0x21
    outb %al, $0xa1
    movb $0x30, %al
    outb %al, $0x43
    OUTB(COM1 + 1, 0)
    .irp pin, 0x14, 0x18
    movl $\pin, (%r12)
    movl $0x10000, 0x10(%r12)
    .endr
    OUTB(0x70, 0x0b)
    OUTB(0x71, 2)
    cmpb $0, use_x2apic(%rip)
    jne 1f
    movl $0x10000, 0x320(%rbx)
    movl $0x10000, 0x370(%rbx)
    movl $0, 0x380(%rbx)
1:  sti
    nop
    nop
    popq %rdx
    popq %rax
    ret

/* The end of an interrupt, and of the storm in its time. */
by_apic:
    incl traps(%rip)
    call look
    cmpb $0, over(%rip)
    je 1f
    call quiet
1:  cmpb $0, use_x2apic(%rip)
    jne 2f
    movl $0, 0xb0(%rbx)
    iretq
2:  pushq %rax
    pushq %rcx
    pushq %rdx
    movl $0x80b, %ecx
    xorl %eax, %eax
    xorl %edx, %edx
    wrmsr
    popq %rdx
    popq %rcx
    popq %rax
    iretq
by_pics:
    incl traps(%rip)
    call look
    cmpb $0, over(%rip)
    je 1f
    call quiet
1:  pushq %rax
    movb $0x20, %al
    outb %al, $0xa0
    outb %al, $0x20
    popq %rax
    iretq
by_nmi:
    incl traps(%rip)
    call look
    iretq
/* As quell, interrupts staying off. */
quiet:
    call quell
    cli
    ret

past:
    movl $TSC_DEADLINE, %ecx
    movl $1, %eax
    xorl %edx, %edx
    wrmsr
    ret

    .irp mode, 0x34, 0x36, 0x30, 0x38
pit_\mode:
    movb $\mode, %al
    outb %al, $0x43
    movb $1, %al
    outb %al, $0x40
    movb $0, %al
    outb %al, $0x40
    movl $0x700, 0x350(%rbx)
    movb $0xfe, %al
    outb %al, $0x21
    ret
    .endr

rtc:
    OUTB(0x70, 0x0a)
    OUTB(0x71, 0x23)
    OUTB(0x70, 0x0b)
    OUTB(0x71, 0x42)
    OUTB(0x70, 0x0c)
    inb $0x71, %al
    movl $0x700, 0x350(%rbx)
    movb $0xfb, %al
    outb %al, $0x21
    movb $0xfe, %al
    outb %al, $0xa1
    ret

    .data
    .balign 8
until: .quad 0
over: .byte 0
