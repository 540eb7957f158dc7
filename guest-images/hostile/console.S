/*
 * A console flood: every byte value, then escape sequences of each kind, complete, random and without
 * an end (CSI, OSC titles and clipboards, DCS, APC, character sets, resets, reports), NULs, never a
 * newline for long; half of it without asking whether the transmitter is ready. 40,000 bytes.
 */
#define NAME "console"
#include "common.inc"
#include "attack.inc"

#define BYTES 40000

    ATTACK
    /* Each value, alone. */
    xorl %ebx, %ebx
1:  movb %bl, %al
    call putc64
    incb %bl
    jnz 1b
    xorl %r12d, %r12d
again:
    movl $texts, %esi
    call pick
    movl %eax, %ebx
2:  movb (%rbx), %al
    incl %ebx
    cmpb $0xfe, %al
    ja again                    /* 0xff: the end of a text */
    jb 3f
    call random                 /* 0xfe: any byte */
3:  call send
    incl %r12d
    cmpl $BYTES, %r12d
    jb 2b
    jmp survived

/* AL: with or without asking. */
send:
    movw $COM1, %dx
    testl $0x400, %r12d
    jz putc64
    outb %al, %dx
    ret

    .data
    .balign 8
    .macro text bytes:vararg
    .long 77f, 0
    .pushsection .data, 1
77: .ascii \bytes
    .byte 0xff
    .popsection
    .endm
texts:
    .quad (texts_end - texts) / 8 - 1
    text "\033[2J\033[H"
    text "\033[999;999H"
    text "\033]0;beat\007"
    text "\033]52;c;aGFybQ==\033\\"
    text "\033]0;no end"
    text "\033P$q\"p\033\\"
    text "\033Pno end"
    text "\033_G\376\376\376\376"
    text "\033[6n\033[c\033[>c\033Z\005"
    text "\033c\033[!p\033#8"
    text "\033(0\016\017\033N\033O"
    text "\033[\376\376\376\376\376\376\376\376"
    text "\033[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;20"
    text "\033[?1049h\033[?25l\033[?1003h"
    text "\033[31;1;5m"
    text "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    text "\r\033[Kbeat| tick 00000010 steady as ever"
    text "\rbeat| tick 00000010 steady as ever\r\n"
    text "\033[A\033[A\033[A\rbeat| "
    text "\v\f\013\205\233A\302\233A"
    text "\010\010\010\010\010\010\010\010\010\010\010\010"
    text "\376\376\376\376\376\376\376\376\376\376\376\376\376\376\376\376"
    text "\360\237\222\200\300\200\355\240\200\364\220\200\200"
    text "\n"
texts_end:
