/* A reset by port 0xCF9. Result 106 where the policy is to stop; restarted, the guest does the
   same again, until the limit: result 104. */
#define NAME "reset"
#include "common.inc"

#define RESET_CONTROL 0xcf9

    .text
    .code32
main:
    /* A pristine image: what was written before the last reset is gone. */
    cmpl $0x600d, mark
    CHECK32(e)
    movl $0xbad, mark
    movl $text_ok, %esi
    call puts32
    movl $text_newline, %esi
    call puts32
    call drain32
    /* The kind of reset first, then the edge that asks for it. */
    movw $RESET_CONTROL, %dx
    movb $0x02, %al
    outb %al, %dx
    inb %dx, %al
    andb $0x02, %al
    CHECK32(nz)
    movb $0x06, %al
    outb %al, %dx
    movl $100000000, %ecx
1:  loop 1b
    xorl %eax, %eax
    jmp fail32

    .data
    .balign 4
mark: .long 0x600d
