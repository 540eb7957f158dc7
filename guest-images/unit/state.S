/* All state that a switch may lose, kept through thousands of exits: general registers, x87,
   SSE, segment bases, SYSCALL's and SYSENTER's MSRs, debug registers, CR2, CR8. Two of these
   at once, with different values (from the time-stamp counter), show what leaks.
   A number on the command line says how many rounds. */
#define NAME "state"
#include "common.inc"
#include "command-line.inc"

#define ROUNDS 1000
/* Between two exits: long enough, with many of them, to be preempted. */
#define SPIN 2000

    .text
    .code32
main:
    movl $ROUNDS, rounds
    call number32
    jz 2f
    movl %eax, rounds
2:  rdtsc
    orl $1, %eax
    movl %eax, seed
    movl %cr4, %eax
    orl $0x600, %eax
    movl %eax, %cr4
    movl %cr0, %eax
    andl $~0xc, %eax
    orl $0x22, %eax
    movl %eax, %cr0
    ENTER64(long)

    .code64
/* RAX: the next of a sequence that depends on the seed (xorshift64). */
next:
    movq seed(%rip), %rax
    pushq %rcx
    movq %rax, %rcx
    shlq $13, %rcx
    xorq %rcx, %rax
    movq %rax, %rcx
    shrq $7, %rcx
    xorq %rcx, %rax
    movq %rax, %rcx
    shlq $17, %rcx
    xorq %rcx, %rax
    popq %rcx
    movq %rax, seed(%rip)
    ret

long:
    /* New values for everything. */
    lea wanted(%rip), %rdi
    movl $(wanted_end - wanted) / 8, %ecx
1:  call next
    stosq
    decl %ecx
    jnz 1b
    /* MSRs: addresses stay canonical, masks have 32 bits, a selector 16. */
    lea msrs(%rip), %rsi
    lea wanted_msrs(%rip), %rdi
1:  movl (%rsi), %ecx
    testl %ecx, %ecx
    jz 2f
    movl (%rdi), %eax
    movl 4(%rdi), %edx
    andl $0x7fff, %edx
    cmpl $0xc0000084, %ecx
    je 3f
    cmpl $0x174, %ecx
    jne 4f
    andl $0xfffc, %eax
3:  xorl %edx, %edx
4:  movl %eax, (%rdi)
    movl %edx, 4(%rdi)
    wrmsr
    addq $4, %rsi
    addq $8, %rdi
    jmp 1b
2:  /* Debug registers: four addresses that nothing executes, enabled. */
    lea wanted_debug(%rip), %rdi
    movl $4, %ecx
    movq $0x00007ffffffff000, %rdx
1:  andq %rdx, (%rdi)
    btsq $46, (%rdi)
    addq $8, %rdi
    decl %ecx
    jnz 1b
    movq wanted_debug(%rip), %rax
    movq %rax, %db0
    movq wanted_debug + 8(%rip), %rax
    movq %rax, %db1
    movq wanted_debug + 16(%rip), %rax
    movq %rax, %db2
    movq wanted_debug + 24(%rip), %rax
    movq %rax, %db3
    movl $0x455, %eax
    movq %rax, %db7
    movq wanted_cr2(%rip), %rax
    shlq $17, %rax
    sarq $17, %rax
    movq %rax, wanted_cr2(%rip)
    movq %rax, %cr2
    movl seed(%rip), %eax
    andl $15, %eax
    movl %eax, wanted_cr8(%rip)
    movq %rax, %cr8
    /* x87: eight numbers, and a control word; SSE: sixteen registers and MXCSR. */
    fninit
    lea wanted_x87(%rip), %rsi
    movl $8, %ecx
1:  fildq (%rsi)
    addq $8, %rsi
    decl %ecx
    jnz 1b
    movl seed(%rip), %eax
    andl $0x0c00, %eax
    orl $0x037f, %eax
    movw %ax, scratch(%rip)
    fldcw scratch(%rip)
    movl seed(%rip), %eax
    andl $0x6000, %eax
    orl $0x1f80, %eax
    movl %eax, scratch(%rip)
    ldmxcsr scratch(%rip)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movups wanted_xmm + 16 * \n(%rip), %xmm\n
    .endr
    fxsave64 fx_before(%rip)

    /* Ten rounds with these; all general registers too, and the flags. */
    movl $10, inner(%rip)
round:
    movq %rsp, saved_rsp(%rip)
    movq wanted_gprs + 8 * 1(%rip), %rcx
    movq wanted_gprs + 8 * 2(%rip), %rdx
    movq wanted_gprs + 8 * 3(%rip), %rbx
    movq wanted_gprs + 8 * 4(%rip), %rbp
    movq wanted_gprs + 8 * 5(%rip), %rsi
    movq wanted_gprs + 8 * 6(%rip), %rdi
    movq wanted_gprs + 8 * 7(%rip), %r8
    movq wanted_gprs + 8 * 8(%rip), %r9
    movq wanted_gprs + 8 * 9(%rip), %r10
    movq wanted_gprs + 8 * 10(%rip), %r11
    movq wanted_gprs + 8 * 11(%rip), %r12
    movq wanted_gprs + 8 * 12(%rip), %r13
    movq wanted_gprs + 8 * 13(%rip), %r14
    movq wanted_gprs + 8 * 14(%rip), %r15
    movq wanted_gprs(%rip), %rax
    movq wanted_gprs + 8 * 15(%rip), %rsp
    /* Exits that change nothing: a port, memory that is nothing, time. */
    outb %al, $0x80
    movabsl %eax, 0xd0000000
    movl $SPIN, spin(%rip)
1:  decl spin(%rip)
    jnz 1b
    outl %eax, $0x80
    .byte 0x48
    movabsl %eax, 0xd0000008            /* movabsq */
    movq %rsp, seen_gprs + 8 * 15(%rip)
    movq saved_rsp(%rip), %rsp
    movq %rax, seen_gprs(%rip)
    movq %rcx, seen_gprs + 8 * 1(%rip)
    movq %rdx, seen_gprs + 8 * 2(%rip)
    movq %rbx, seen_gprs + 8 * 3(%rip)
    movq %rbp, seen_gprs + 8 * 4(%rip)
    movq %rsi, seen_gprs + 8 * 5(%rip)
    movq %rdi, seen_gprs + 8 * 6(%rip)
    movq %r8, seen_gprs + 8 * 7(%rip)
    movq %r9, seen_gprs + 8 * 8(%rip)
    movq %r10, seen_gprs + 8 * 9(%rip)
    movq %r11, seen_gprs + 8 * 10(%rip)
    movq %r12, seen_gprs + 8 * 11(%rip)
    movq %r13, seen_gprs + 8 * 12(%rip)
    movq %r14, seen_gprs + 8 * 13(%rip)
    movq %r15, seen_gprs + 8 * 14(%rip)
    cld
    lea wanted_gprs(%rip), %rsi
    lea seen_gprs(%rip), %rdi
    movl $16, %ecx
    repe cmpsq
    movl %ecx, %eax
    CHECK64(e)
    /* MSRs. */
    lea msrs(%rip), %rsi
    lea wanted_msrs(%rip), %rdi
1:  movl (%rsi), %ecx
    testl %ecx, %ecx
    jz 2f
    rdmsr
    cmpl (%rdi), %eax
    CHECK64(e)
    cmpl 4(%rdi), %edx
    CHECK64(e)
    addq $4, %rsi
    addq $8, %rdi
    jmp 1b
2:  movq %db0, %rax
    cmpq wanted_debug(%rip), %rax
    CHECK64(e)
    movq %db1, %rax
    cmpq wanted_debug + 8(%rip), %rax
    CHECK64(e)
    movq %db2, %rax
    cmpq wanted_debug + 16(%rip), %rax
    CHECK64(e)
    movq %db3, %rax
    cmpq wanted_debug + 24(%rip), %rax
    CHECK64(e)
    movq %db7, %rax
    cmpq $0x455, %rax
    CHECK64(e)
    movq %cr2, %rax
    cmpq wanted_cr2(%rip), %rax
    CHECK64(e)
    movq %cr8, %rax
    cmpl wanted_cr8(%rip), %eax
    CHECK64(e)
    decl inner(%rip)
    jnz round
    /* x87 and SSE once per ten: control words, then all numbers. */
    fxsave64 fx_after(%rip)
    movl fx_before(%rip), %eax
    cmpl fx_after(%rip), %eax
    CHECK64(e)
    movl fx_before + 24(%rip), %eax
    cmpl fx_after + 24(%rip), %eax
    CHECK64(e)
    lea fx_before + 32(%rip), %rsi
    lea fx_after + 32(%rip), %rdi
    movl $(416 - 32) / 8, %ecx
    repe cmpsq
    movl %ecx, %eax
    CHECK64(e)
    decl rounds(%rip)
    jnz long
    jmp pass64

    .data
    .balign 8
seed: .quad 0
rounds: .long 0
msrs: .long 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102
    .long 0x174, 0x175, 0x176, 0
    .bss
    .balign 16
wanted:
wanted_gprs: .space 16 * 8
wanted_msrs: .space 10 * 8
wanted_debug: .space 4 * 8
wanted_cr2: .space 8
wanted_cr8: .space 8
wanted_x87: .space 8 * 8
    .balign 16
wanted_xmm: .space 16 * 16
wanted_end:
seen_gprs: .space 16 * 8
saved_rsp: .space 8
inner: .long 0
spin: .long 0
scratch: .long 0
    .balign 16
fx_before: .space 512
fx_after: .space 512
