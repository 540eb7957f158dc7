/* HLT with interrupts off and nothing to send an NMI: halted for good, result 100. */
#define NAME "halted"
#include "common.inc"

    .text
    .code32
main:
    movl $text_ok, %esi
    call puts32
    movl $text_newline, %esi
    call puts32
    call drain32
    cli
    hlt
    xorl %eax, %eax
    jmp fail32
