/* ACPI S5 by the PM1a control register: the machine is off, result 0. */
#define NAME "poweroff"
#include "common.inc"

#define PM1A_CONTROL 0x604
#define SLP_EN 0x2000

    .text
    .code32
main:
    movl $text_ok, %esi
    call puts32
    movl $text_newline, %esi
    call puts32
    call drain32
    /* SLP_TYP of S5 is 5 on this machine; on QEMU it is 0, and 5 is nothing. */
    movw $PM1A_CONTROL, %dx
    movw $SLP_EN + (5 << 10), %ax
    outw %ax, %dx
    movw $SLP_EN, %ax
    outw %ax, %dx
    /* Power goes at once, or very soon. */
    movl $100000000, %ecx
1:  loop 1b
    xorl %eax, %eax
    jmp fail32
