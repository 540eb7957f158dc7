/*
 * Every port, each width, IN and OUT, random values; then 3,000 random INS and OUTS: any width,
 * direction, counter and address, RAM or not, beyond the last port too. What a byte written to a
 * port would end the guest with is masked out of the values (`spared`); `ends` writes it.
 */
#define NAME "ports"
#include "common.inc"
#include "attack.inc"

#define STRINGS 3000

    ATTACK
    call open_window
    xorl %r12d, %r12d
each_port:
    .irp width, b, w, l
    movl %r12d, %edx
    .ifc \width, b
    ATTEMPT(inb %dx, %al)
    .endif
    .ifc \width, w
    ATTEMPT(inw %dx, %ax)
    .endif
    .ifc \width, l
    ATTEMPT(inl %dx, %eax)
    .endif
    call random
    movl %r12d, %edx
    call spared
    jc 1f
    .ifc \width, b
    ATTEMPT(outb %al, %dx)
    .endif
    .ifc \width, w
    ATTEMPT(outw %ax, %dx)
    .endif
    .ifc \width, l
    ATTEMPT(outl %eax, %dx)
    .endif
1:
    .endr
    incl %r12d
    cmpl $0x80, %r12d
    jne 2f
    /* A timer with a short period would slow down all that follows. */
    call settle
2:  cmpl $0x10000, %r12d
    jne each_port
    call settle

    movl $STRINGS, %r12d
each_string:
    /* An address in the window, mostly; anywhere outside the guest's own otherwise. */
    call random
    movq %rax, %rbx
    andl $0x8fff, %ebx
    movq $WINDOW, %rcx
    testl $0x700000, %eax
    jz 2f
    addq %rcx, %rbx
    jmp 3f
2:  call random
    movq %rax, %rbx
    btsq $40, %rbx              /* not in the map 1:1 */
3:  /* A counter: few, many, any. */
    call random
    movl %eax, %ecx
    testl $0x30000000, %eax
    jz 4f
    andl $0xfff, %ecx
    jmp 5f
4:  call random
    movq %rax, %rcx
5:  call random
    movl %eax, %edx
    movl %eax, %r13d
    shrl $16, %r13d
    /* OUTS sends what happens to be there: to ports that end nothing. */
    movl $0xffffffff, %eax
    call spared
    jc each_string
    cmpl $0xffffffff, %eax
    jne each_string
    /* Nor the local APIC's page filled with what a device says: an INIT could be in it. */
    andl $0xfff, %edx
    orl $0x1000, %edx
    movq %rbx, %rsi
    movq %rbx, %rdi
    testl $1, %r13d
    jz 6f
    std
6:  andl $0xe, %r13d
    movl string_forms(%r13d, %r13d), %eax
    movl $88f, resume(%rip)
    jmp *%rax
88: cld
    decl %r12d
    jnz each_string
    jmp survived

    /* Each ends at 88 above, by a jump or by a fault. */
    .macro form name:vararg
    \name
    jmp 88b
    .endm
f0: form insb
f1: form rep insb
f2: form rep insw
f3: form rep insl
f4: form outsb
f5: form rep outsb
f6: form rep outsw
f7: form rep outsl

/* EAX: a value for OUT at port EDX. CF if nothing may be written there; else what would end the
   guest is masked out. */
spared:
    movl $spare, %esi
1:  movzwl (%rsi), %ecx
    jecxz 3f
    leal 3(%rdx), %edi
    cmpl %ecx, %edi
    jb 2f
    movzwl 2(%rsi), %ecx
    cmpl %ecx, %edx
    ja 2f
    movl 4(%rsi), %ecx
    jecxz 4f
    andl %ecx, %eax
2:  addl $8, %esi
    jmp 1b
3:  clc
    ret
4:  stc
    ret

    .data
    .balign 8
string_forms: .long f0, f1, f2, f3, f4, f5, f6, f7
/* First and last port, and what may be written: not the keyboard controller's pulse and output
   port, not the fast reset, no result, no panic, no sleep, no reset control, no INIT. */
    .macro may first, last, mask
    .word \first, \last
    .long \mask
    .endm
spare:
    may 0x64, 0x64, 0x0f0f0f0f
    may 0x92, 0x92, 0xfefefefe
    may 0xf4, 0xf7, 0
    may 0x505, 0x505, 0xfcfcfcfc
    may 0x604, 0x605, 0xdfdfdfdf
    may 0xcf9, 0xcf9, 0xfbfbfbfb
    .word 0
