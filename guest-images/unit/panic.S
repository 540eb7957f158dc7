/* pvpanic: the port tells what it supports, and ends the guest with result 101. */
#define NAME "panic"
#include "common.inc"

#define PVPANIC 0x505

    .text
    .code32
main:
    movw $PVPANIC, %dx
    xorl %eax, %eax
    inb %dx, %al
    testb $1, %al
    CHECK32(nz)
    movl $text_ok, %esi
    call puts32
    movl $text_newline, %esi
    call puts32
    call drain32
    movw $PVPANIC, %dx
    movb $1, %al
    outb %al, %dx
    movl $100000000, %ecx
1:  loop 1b
    xorl %eax, %eax
    jmp fail32
