/* The debug port takes bytes and says so; debug-exit ends with the value written: result 42. */
#define NAME "debug"
#include "common.inc"

#define DEBUG_PORT 0xe9

    .text
    .code32
main:
    /* Both emulators answer 0xe9 at 0xe9. */
    xorl %eax, %eax
    inb $DEBUG_PORT, %al
    cmpb $DEBUG_PORT, %al
    CHECK32(e)
    movl $message, %esi
    movl $message_end - message, %ecx
    movw $DEBUG_PORT, %dx
    cld
    rep outsb
    movl $text_ok, %esi
    call puts32
    movl $42, %ebx
    jmp end32

    .data
message: .ascii "debug: a line for the status\n"
message_end:
