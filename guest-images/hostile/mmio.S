/*
 * Every byte of the local APIC's page, of the I/O APIC's and of a hole: read and written with random
 * values in one, two, four and eight bytes, across their ends too; then each instruction form that the
 * emulator claims 400 times on random addresses of a window with RAM, holes, both APICs and nothing side by
 * side, with random registers. Bits that would make an INIT of a command are not written.
 */
#define NAME "mmio"
#include "common.inc"
#include "attack.inc"

#define TIMES 400

    ATTACK
    call open_window
    movl $pages, %ebp
each_page:
    movl (%rbp), %r12d
    testl %r12d, %r12d
    jz forms
    leal 0x1000(%r12), %r13d
each_byte:
    call random
    movl $0xfafafafa, %edx
    movq %rdx, %rcx
    shlq $32, %rcx
    orq %rcx, %rdx
    andq %rdx, %rax
    movq %rax, %rbx
    ATTEMPT(movb (%r12), %al)
    ATTEMPT(movb %bl, (%r12))
    ATTEMPT(movw (%r12), %ax)
    ATTEMPT(movw %bx, (%r12))
    ATTEMPT(movl (%r12), %eax)
    ATTEMPT(movl %ebx, (%r12))
    ATTEMPT(movq (%r12), %rax)
    ATTEMPT(movq %rbx, (%r12))
    incl %r12d
    cmpl %r13d, %r12d
    jne each_byte
    /* Its timer off: a short period would slow down all that follows. */
    movl $LAPIC, %eax
    ATTEMPT(movl $0, 0x380(%rax))
    addl $4, %ebp
    jmp each_page

forms:
    movl $table, %ebp
each_form:
    movl (%rbp), %r15d
    testl %r15d, %r15d
    jz survived
    movl $TIMES, %r12d
1:  call random
    movl %eax, %ecx
    andl $0x7fff, %ecx
    movq $WINDOW, %rbx
    addq %rcx, %rbx
    /* Not the local APIC's command register, nor a counter that is long. */
    movl %ebx, %eax
    andl $0x7ff0, %eax
    cmpl $0x2300, %eax
    je 1b
    cmpl $0x22f0, %eax
    je 1b
    call random
    movl $0xfafafafa, %edx
    andl %edx, %eax
    movq %rax, %rdx
    call random
    movl %eax, %ecx
    andl $0x3f, %ecx
    movq %rbx, %rsi
    movq %rbx, %rdi
    call random
    andl $0xfafafafa, %eax
    movl $88f, resume(%rip)
    testl $0x100, %ecx
    jmp *%r15
88: cld
    movl $stack_top, %esp
    decl %r12d
    jnz 1b
    movl $LAPIC, %eax
    ATTEMPT(movl $0, 0x380(%rax))
    addl $4, %ebp
    jmp each_form

    .macro form instruction:vararg
    .data 1
    .long 77f
    .text 1
77: \instruction
    jmp form_done
    .endm
    .macro backwards
    std
    rep movsw
    .endm
    .text 1
form_done:
    movl resume(%rip), %eax
    jmp *%rax

    .data 1
    .balign 4
table:
    .irp operation, add, or, adc, sbb, and, sub, xor, cmp
    form \operation\()b %al, (%rbx)
    form \operation\()w (%rbx), %ax
    form \operation\()l $0x1234, (%rbx)
    form \operation\()q (%rbx), %rax
    .endr
    .irp operation, inc, dec, not, neg
    form \operation\()b (%rbx)
    form lock \operation\()l (%rbx)
    form \operation\()q (%rbx)
    .endr
    .irp operation, shl, shr, sar, rol, ror, rcl, rcr
    form \operation\()b $1, (%rbx)
    form \operation\()l %cl, (%rbx)
    form \operation\()q $7, (%rbx)
    .endr
    .irp operation, bts, btr, btc
    form lock \operation\()l $3, (%rbx)
    form \operation\()w %cx, (%rbx)
    .endr
    form btl %edx, (%rbx)
    form btq %rdx, (%rbx)
    form testl %eax, (%rbx)
    form testb $1, (%rbx)
    form xchgb %al, (%rbx)
    form xchgq %rax, (%rbx)
    form lock xaddl %eax, (%rbx)
    form cmpxchgw %dx, (%rbx)
    form lock cmpxchgq %rdx, (%rbx)
    form movzbl (%rbx), %eax
    form movzwq (%rbx), %rax
    form movsbw (%rbx), %ax
    form movslq (%rbx), %rax
    form cmovsl (%rbx), %eax
    form cmovcq (%rbx), %rax
    form setzb (%rbx)
    form movb %ah, (%rbx)
    form movw $0x1234, (%rbx)
    form movl %eax, 0x7f(%rbx, %rcx, 4)
    form movw %ds, (%rbx)
    form pushq (%rbx)
    form popq (%rbx)
    form movsb
    form rep movsb
    form rep movsq
    form backwards
    form rep stosl
    form rep lodsw
    form repe cmpsb
    form repne scasl
    form nopl (%rbx)
    .data 2
    .long 0
    .data 0
    .balign 4
pages: .long LAPIC, IOAPIC, UNASSIGNED, 0
    .text 0
