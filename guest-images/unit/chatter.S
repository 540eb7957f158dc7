/* Talks at times of its own and answers what is typed, both by interrupts as
   Linux's driver does: sixteen bytes at a time, then HLT until the transmitter
   is empty. Each byte comes back at once, in mid-line; each line is answered by
   "got N;", the number of bytes in it. The line "q" ends the guest, and so do
   100 lines of its own, or as many as the command line says.

   It has no checks of its own: whoever types knows what must come back. */
#define NAME "chatter"
#include "common.inc"
#include "command-line.inc"

#define LINES 100
#define RING 4096
#define FIFO 16
#define TIMER_VECTOR 0x31
#define IER_DATA 1
#define IER_EMPTY 2

    .text
    .code32
main:
    call number32
    jz 1f
    movl %eax, limit
1:
    /* The 8259s: vectors 32 to 47, only IRQ 4 open. */
    OUTB(0x20, 0x11)
    OUTB(0xa0, 0x11)
    OUTB(0x21, 0x20)
    OUTB(0xa1, 0x28)
    OUTB(0x21, 0x04)
    OUTB(0xa1, 0x02)
    OUTB(0x21, 0x01)
    OUTB(0xa1, 0x01)
    OUTB(0x21, 0xef)
    /* LINT0 takes the 8259s' interrupts; the timer counts once, undivided. */
    movl $0x1ff, LAPIC + 0xf0
    movl $0x700, LAPIC + 0x350
    movl $0xb, LAPIC + 0x3e0
    movl $TIMER_VECTOR, LAPIC + 0x320
    OUTB(COM1 + 4, 0x0b)
    OUTB(COM1 + 1, IER_DATA)
    movl $text_ready, %esi
    call put
    call rearm
again:
    call serve
    cli
    /* Interrupts are counted where they come in; what is to be done is seen
       from the devices. One that comes from here on ends the HLT. */
    movl irq_count + TIMER_VECTOR * 4, %eax
    cmpl ticks_seen, %eax
    je 1f
    movl %eax, ticks_seen
    movl $text_tick, %esi
    call put
    call rearm
    call kick
    decl limit
    jnz 1f
    movb $1, ending
1:  cmpb $0, ending
    je 2f
    movl ring_head, %eax
    cmpl ring_tail, %eax
    je pass32
2:  sti
    hlt
    jmp again

/* Sets the timer for 2 to 170 ms from now. */
rearm:
    movl random, %eax
    imull $1103515245, %eax, %eax
    addl $12345, %eax
    movl %eax, random
    shrl $8, %eax
    addl $200000, %eax
    movl %eax, LAPIC + 0x380
    ret

/* Sees to the UART until it has nothing pending. Whatever it reports, both
   directions are looked at: reading the report that the transmitter is empty
   withdraws it. */
serve:
    movw $COM1 + 2, %dx
    inb %dx, %al
    testb $1, %al
    jnz 9f
    movw $COM1 + 5, %dx
    inb %dx, %al
    movb %al, status
    testb $1, %al
    jz 1f
    movw $COM1, %dx
    inb %dx, %al
    call received
1:  testb $0x20, status
    jz serve
    call transmit
    jmp serve
9:  ret

/* AL: a byte that was typed. */
received:
    cmpb $'\r', %al
    je 1f
    movb %al, last
    incl length
    movb %al, text_echo
    movl $text_echo, %esi
    call put
    jmp kick
1:  cmpl $1, length
    jne 2f
    cmpb $'q', last
    jne 2f
    movb $1, ending
2:  movl length, %eax
    movl $text_length_end, %edi
    movl $10, %ecx
3:  xorl %edx, %edx
    divl %ecx
    addb $'0', %dl
    decl %edi
    movb %dl, (%edi)
    testl %eax, %eax
    jnz 3b
    pushl %edi
    movl $text_got, %esi
    call put
    popl %esi
    call put
    movl $0, length
    jmp kick

/* Lets the UART say when it takes more. */
kick:
    movw $COM1 + 1, %dx
    movb $IER_DATA | IER_EMPTY, %al
    outb %al, %dx
    ret

/* Fills the transmitter, which is empty. */
transmit:
    movl $FIFO, %ecx
    movw $COM1, %dx
1:  movl ring_head, %ebx
    cmpl ring_tail, %ebx
    je 2f
    movl %ebx, %eax
    andl $RING - 1, %eax
    movb ring(%eax), %al
    outb %al, %dx
    incl ring_head
    loop 1b
    ret
2:  movw $COM1 + 1, %dx
    movb $IER_DATA, %al
    outb %al, %dx
    ret

/* ESI: text to send; what the ring has no room for is left out. */
put:
    lodsb
    testb %al, %al
    jz 1f
    movl ring_tail, %ebx
    movl %ebx, %edx
    subl ring_head, %edx
    cmpl $RING, %edx
    jae 1f
    andl $RING - 1, %ebx
    movb %al, ring(%ebx)
    incl ring_tail
    jmp put
1:  ret

    .data
limit: .long LINES
random: .long 1
ticks_seen: .long 0
ring_head: .long 0
ring_tail: .long 0
length: .long 0
last: .byte 0
status: .byte 0
ending: .byte 0
text_ready: .asciz "ready\r\n"
text_tick: .asciz "a line of its own, longer than the transmitter\r\n"
text_echo: .asciz "?"
text_got: .asciz "\r\ngot "
text_length: .ascii "0000000000"
text_length_end: .asciz ";\r\n"

    .bss
ring: .skip RING
