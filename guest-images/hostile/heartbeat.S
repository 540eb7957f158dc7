/*
 * The other guest: it beats at fixed moments of the time-stamp counter, whatever its neighbours
 * do, and measures how late each beat comes, until a key is typed. A number on its command line
 * is the period in ticks. Of four beats it sleeps towards three (HLT, woken by another domain) and
 * spins towards one (which ends its own time slice). Each sixteenth beat is a line on the console,
 * numbered, so that a lost or mangled line shows. In the end:
 *
 *     beats=000000c8 missed=00000000 late=0001e0c4 asleep=00015f90 gap=00281a10 period=002625a0
 *
 * `late`, `asleep` and `gap`: the latest beat, the latest that it slept towards and the longest time between
 * two, in ticks. A beat is missed if it comes when the next is due. It fails if one is.
 */
#define NAME "heartbeat"
#include "common.inc"
#include "command-line.inc"

#define PERIOD 2500000          /* 25 ms at 100 MHz */
#define VECTOR 0x40
#define TSC_DEADLINE 0x6e0
#define LINE_STATUS COM1 + 5

    .text
    .code32
main:
    movl $PERIOD, period
    call number32
    jz 1f
    movl %eax, period
1:  movl $1, %eax
    cpuid
    testl $0x01000000, %ecx
    jnz 2f
    SKIP32("no TSC deadline")
2:  ENTER64(long)

    .code64
long:
    movl $idt64 + VECTOR * 16, %edi
    movl $beat, %eax
    call gate64
    movl $LAPIC, %ebx
    movl $0x1ff, 0xf0(%rbx)
    movl $0x40000 | VECTOR, 0x320(%rbx)
    mfence
    call now
    movq %rax, last(%rip)
    addq period(%rip), %rax
    movq %rax, due(%rip)
    call arm
    sti
again:
    movl beats(%rip), %ebp
    movl %ebp, %eax
    andl $3, %eax
    cmpl $3, %eax
    je 2f
    /* Asleep. STI holds interrupts back until HLT has begun. */
1:  cli
    cmpl beats(%rip), %ebp
    jne 3f
    sti
    hlt
    jmp 1b
    /* Awake. */
2:  sti
    cmpl beats(%rip), %ebp
    je 2b
3:  sti
    movw $LINE_STATUS, %dx
    inb %dx, %al
    testb $1, %al
    jnz finish
    testl $15, %ebp
    jnz again
    lea text_tick(%rip), %rsi
    call puts64
    movl %ebp, %eax
    call hex64
    lea text_steady(%rip), %rsi
    call puts64
    jmp again

finish:
    cli
    .irp field, beats, missed, late, asleep, gap, period
    lea text_\field(%rip), %rsi
    call puts64
    movl \field(%rip), %eax
    call hex64
    .endr
    lea text_newline(%rip), %rsi
    call puts64
    movl missed(%rip), %eax
    testl %eax, %eax
    CHECK64(z)
    movl beats(%rip), %eax
    testl %eax, %eax
    CHECK64(nz)
    jmp pass64

/* RAX: the time-stamp counter. */
now:
    pushq %rdx
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    popq %rdx
    ret

/* RAX: when the timer is to fire. */
arm:
    pushq %rcx
    pushq %rdx
    movq %rax, %rdx
    shrq $32, %rdx
    movl $TSC_DEADLINE, %ecx
    wrmsr
    popq %rdx
    popq %rcx
    ret

beat:
    pushq %rax
    pushq %rbx
    pushq %rcx
    call now
    movq %rax, %rbx
    subq last(%rip), %rbx
    movq %rax, last(%rip)
    cmpq gap(%rip), %rbx
    jbe 1f
    movq %rbx, gap(%rip)
1:  movq %rax, %rbx
    subq due(%rip), %rbx
    cmpq late(%rip), %rbx
    jbe 2f
    movq %rbx, late(%rip)
2:  movl beats(%rip), %ecx
    andl $3, %ecx
    cmpl $3, %ecx
    je 5f
    cmpq asleep(%rip), %rbx
    jbe 5f
    movq %rbx, asleep(%rip)
5:  movl period(%rip), %ecx
    incl beats(%rip)
3:  addq %rcx, due(%rip)
    subq %rcx, %rbx
    jb 4f
    incl missed(%rip)
    jmp 3b
4:  movq due(%rip), %rax
    call arm
    movl $LAPIC, %eax
    movl $0, 0xb0(%rax)
    popq %rcx
    popq %rbx
    popq %rax
    iretq

    .data
text_tick: .asciz "tick "
text_steady: .asciz " steady as ever\r\n"
text_beats: .asciz "beats="
text_missed: .asciz " missed="
text_late: .asciz " late="
text_asleep: .asciz " asleep="
text_gap: .asciz " gap="
text_period: .asciz " period="
    .balign 8
due: .quad 0
last: .quad 0
late: .quad 0
asleep: .quad 0
gap: .quad 0
period: .quad 0
beats: .long 0
missed: .long 0
