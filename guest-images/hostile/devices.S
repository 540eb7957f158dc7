/*
 * The state machines of the devices behind ports, out of order: 60,000 random writes and reads at
 * their ports (the 8259s' initialisation without an end, the 8254's read-back, latches and divisor 1, RTC
 * and CMOS indices, UART with DLAB, loopback and any divisor, keyboard controller, PCI configuration in odd
 * sizes, ACPI), with interrupts let through now and then, whatever their vectors; then 20,000 random
 * accesses to the local APIC's and I/O APIC's registers with NMIs, fixed vectors and masks as they come.
 */
#define NAME "devices"
#include "common.inc"
#include "attack.inc"

#define ROUNDS 60000
#define APIC_ROUNDS 20000

    ATTACK
    movl $ROUNDS, %r12d
1:  movl $registers, %esi
    call pick
    /* Port, then AND mask of what is written. */
    movl %eax, %ebx
    shrq $32, %rax
    movl %eax, %ebp
    call random
    movl %ebx, %edx
    movq %rax, %rcx
    shrq $40, %rcx
    andl %ebp, %eax
    testl $0x10, %ecx
    jz 3f
    ATTEMPT(inb %dx, %al)
    testl $0x20, %ecx
    jz 4f
    ATTEMPT(inl %dx, %eax)
    jmp 4f
3:  ATTEMPT(outb %al, %dx)
    testl $0x20, %ecx
    jz 4f
    testl $0x80000000, %ebx
    jnz 4f
    cmpw $0xcf8, %dx
    je 5f
    cmpw $0xcfc, %dx
    jae 5f
    jmp 4f
5:  ATTEMPT(outl %eax, %dx)
4:  testl $0xf00, %ecx
    jnz 6f
    /* Whatever waits comes here. */
    ATTEMPT(sti; nop; nop; nop; cli)
6:  decl %r12d
    jnz 1b
    call settle

    movl $APIC_ROUNDS, %r12d
7:  call random
    movl %eax, %ebx
    shrq $32, %rax
    movl %eax, %ebp
    movl $LAPIC, %edx
    testl $1, %ebx
    jz 8f
    /* The index, or the window, of the I/O APIC: no INIT, no SMI. */
    movl %ebx, %ecx
    shrl $8, %ecx
    andl $0x3f, %ecx
    movl $IOAPIC, %edx
    ATTEMPT(movl %ecx, (%rdx))
    movl %ebp, %eax
    andl $~0x600, %eax
    ATTEMPT(movl %eax, 0x10(%rdx))
    ATTEMPT(movl 0x10(%rdx), %eax)
    ATTEMPT(movl %eax, 0x40(%rdx))
    jmp 9f
8:  movl %ebx, %ecx
    shrl $4, %ecx
    andl $0x3f0, %ecx
    movl %ebp, %eax
    cmpl $0x300, %ecx
    jne 10f
    andl $~0x500, %eax
10: ATTEMPT(movl %eax, (%rdx, %rcx))
    ATTEMPT(movl (%rdx, %rcx), %eax)
9:  testl $0x1e, %ebx
    jnz 11f
    ATTEMPT(sti; nop; nop; nop; cli)
    movl $LAPIC, %edx
    ATTEMPT(movl $0, 0xb0(%rdx))
11: decl %r12d
    jnz 7b
    jmp survived

    .data
    .balign 8
    .macro register port, mask=0xffffffff
    .long \port, \mask
    .endm
registers:
    .quad (registers_end - registers) / 8 - 1
    .irp n, 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x20, 0x21, 0xa0, 0xa1
    register \n
    .endr
    .irp n, 0x40, 0x41, 0x42, 0x43, 0x43, 0x40, 0x61
    register \n
    .endr
    .irp n, 0x70, 0x71, 0x70, 0x71, 0x80, 0xe9
    register \n
    .endr
    .irp n, 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff
    register \n
    .endr
    register 0x60, 0xffffffff
    register 0x64, 0x0f
    .irp n, 0xcf8, 0xcfc, 0xcfd, 0xcfe, 0xcff
    register \n, 0xfffffbff
    .endr
    .irp n, 0x600, 0x601, 0x602, 0x603, 0x604, 0x608, 0x620, 0x621, 0x622, 0x623
    register \n
    .endr
    register 0x605, 0xdf
    register 0xcf9, 0xfb
    register 0x92, 0xfe
registers_end:
