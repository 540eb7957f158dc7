/*
 * What a guest can end with. The command line names an attack; without one the guest only skips.
 * Each begins in flat 32-bit mode and must end as the table in README.md says, with the reason that it
 * says: one that comes to `survived32` or `survived` was not stopped, and passes.
 */
#define NAME "ends"
#include "common.inc"
#include "attack.inc"
#include "paging32.inc"

    .code32
main:
    call line32
    jz 4f
    movl $attacks, %edi
    /* Names in the table against the command line. */
1:  movl (%edi), %ebx
    testl %ebx, %ebx
    jz 4f
    movl %esi, %ecx
2:  movb (%ecx), %al
    movb (%ebx), %dl
    incl %ecx
    incl %ebx
    cmpb %al, %dl
    jne 3f
    testb %al, %al
    jnz 2b
    jmp *4(%edi)
3:  addl $8, %edi
    jmp 1b
4:  SKIP32("the command line names no attack")

    .data 1
    .balign 4
attacks:
    .data 2
    .long 0
    .data 0

/* ATTACK(name) begins the code of one. The table is made of pieces: entries in subsection 1 of the
   data, names in 3. */
    .macro attack name:vararg
    .pushsection .data, 3
77: .asciz \name
    .previous
    .data 1
    .long 77b, 66f
    .popsection
66:
    .endm

#include "ends-code.inc"
#include "ends-mmio.inc"
#include "ends-modes.inc"
#include "ends-devices.inc"
    .text
