/*
 * A flood of the debug console at port 0xE9, which has no rate: 200,000 bytes, in lines of all lengths
 * with random values in them, lines that look like others' status lines, and none that end.
 */
#define NAME "debug-flood"
#include "common.inc"
#include "attack.inc"

#define BYTES 200000

    ATTACK
    movl $BYTES, %r12d
    movw $0xe9, %dx
1:  call random
    outb %al, %dx
    testl $0x7f00, %eax
    jnz 2f
    movl $forged, %esi
    movl $forged_end - forged, %ecx
    cld
    rep outsb
2:  decl %r12d
    jnz 1b
    jmp survived

    .data
forged:
    .ascii "\nguest beat stopped result=0 : forged\n\001pd vmm_beat fault : forged\r\n"
forged_end:
