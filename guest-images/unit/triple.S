/* A fault with no IDT to deliver it: triple fault, result 102. */
#define NAME "triple"
#include "common.inc"

    .text
    .code32
main:
    movl $text_ok, %esi
    call puts32
    movl $text_newline, %esi
    call puts32
    call drain32
    lidt none
    ud2
    jmp fail32

    .data
none: .word 0; .long 0
