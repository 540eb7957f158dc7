/*
 * How long it takes to be woken from HLT by another domain's notification. The
 * other domain stands where the serial virtualiser otherwise does (tools/bench/
 * systems/wake.system): told by a byte on COM1 that this guest is about to halt, it
 * waits until the VMM sleeps, writes the time-stamp counter into the page at STAMP
 * and notifies with a byte of input on its way. What is measured ends at the first
 * instruction of COM1's interrupt handler.
 */
#define NAME "wake"
#include "common.inc"
#include "measure.inc"

#define STAMP 0x8000000
#define GO 0x01
#define VECTOR 0x51
#define COM1_PIN 4

    .text
    .code32
main:
    ENTER64(long)

    .code64
long:
    cld
    SETTLED
    movl $idt64 + VECTOR * 16, %edi
    movl $on_input, %eax
    call gate64
    /* COM1 to the vector, through the I/O APIC; the 8259s are masked. */
    movl $LAPIC, %ebx
    movl $0x1ff, 0xf0(%rbx)
    movl $IOAPIC, %ebp
    movl $(0x10 + 2 * COM1_PIN + 1), (%rbp)
    movl 0x20(%rbx), %eax
    movl %eax, 0x10(%rbp)
    movl $(0x10 + 2 * COM1_PIN), (%rbp)
    movl $VECTOR, 0x10(%rbp)
    /* Its interrupt line on (OUT2), an interrupt for each byte, no FIFO. */
    OUTB(COM1 + 2, 0)
    OUTB(COM1 + 4, 0x0b)
    OUTB(COM1 + 1, 0x01)
    movl $STAMP, %r12d

    lea samples(%rip), %rdi
1:  movq %rdi, %r13
    OUTB(COM1, GO)
    sti
    hlt
    cli
    cmpq %r13, %rdi
    CHECK64(ne)
    lea samples_end(%rip), %rax
    cmpq %rax, %rdi
    jne 1b
    OUTB(COM1 + 1, 0)
    PRINT_SAMPLES("wake_latency")
    jmp pass64

on_input:
    rdtsc
    subl (%r12), %eax
    stosl
    movw $COM1, %dx
    inb %dx, %al
    movl $0, 0xb0(%rbx)
    iretq
