/*
 * Page tables that loop, change under the TLB and hold reserved bits: 30,000 rounds. Each writes a random
 * entry into one of three tables that map a window, at any level, and then reads, writes and copies
 * through it, mostly without telling the TLB; what lies there is RAM, a hole, or the tables themselves, which may
 * be their own tables. Only entries from a list are ever written, by whatever way, so that this very code is
 * never hit; entries that lead to holes are leaves at each level. (`ends` has tables that are not RAM.)
 */
#define NAME "tables"
#include "common.inc"
#include "attack.inc"

#define ROUNDS 30000

    ATTACK
    movl $window_pdpt + 7, %eax
    movl %eax, pml4 + 8(%rip)
    /* No-execute may be set or reserved. */
    movl $0xc0000080, %ecx
    rdmsr
    btsl $11, %eax
    ATTEMPT(wrmsr)
    movl $ROUNDS, %r12d
again:
    call entry
    movq %rax, %rbx
    /* One of sixteen places in one of three tables. */
    movl $places, %esi
    call pick
    movq %rax, %rsi
    call random
    andl $15, %eax
    movq %rbx, (%rsi, %rax, 8)
    call random
    movl %eax, %ebp
    testl $0x7000, %eax
    jnz 1f
    movq %cr3, %rax
    movq %rax, %cr3
1:  call address
    movq %rax, %r13
    testl $0x10000, %ebp
    jz 2f
    ATTEMPT(invlpg (%r13))
2:  ATTEMPT(movq (%r13), %rax)
    call entry
    ATTEMPT(movq %rax, (%r13))
    call entry
    ATTEMPT(lock xchgq %rax, (%r13))
    ATTEMPT(cmpl 4(%r13), %eax)
    testl $0x6, %ebp
    jnz 3f
    /* From there to here, over pages, either way. */
    call address
    movq %rax, %rsi
    movq %r13, %rdi
    movl %ebp, %ecx
    shrl $20, %ecx
    testl $8, %ebp
    jz 4f
    std
4:  ATTEMPT(rep movsq)
    cld
3:  decl %r12d
    jnz again
    jmp survived

/* RAX: an entry with any flags; one that leads to a hole is large. */
entry:
    pushq %rcx
    pushq %rsi
    movl $entries, %esi
    call pick
    movq %rax, %rcx
    call random
    /* Accessed, dirty, caching, global, ignored bits, no-execute; seldom not present. */
    movq $0x8ff0000000000f78, %rsi
    andq %rsi, %rax
    orq %rcx, %rax
    pushq %rax
    call random
    testl $0x3f, %eax
    popq %rax
    jnz 1f
    andb $~1, %al
1:  popq %rsi
    popq %rcx
    ret

/* RAX: an address in the window, aligned. */
address:
    pushq %rcx
    call random
    movq %rax, %rcx
    andl $0x01e0fff8, %eax      /* directory and table, 0 to 15; offset */
    shrq $32, %rcx
    andl $3, %ecx
    shlq $30, %rcx
    orq %rcx, %rax
    movq $WINDOW, %rcx
    orq %rcx, %rax
    popq %rcx
    ret

    .data
    .balign 8
places: .quad 3
    .long window_pdpt, 0, window_pd, 0, window_pt, 0
entries: .quad 12
    .long window_pd + 7, 0, window_pt + 7, 0, window_pt + 7, 0, window_pdpt + 7, 0
    .long window_ram + 7, 0, window_ram + 0x1007, 0, window_ram + 0x2005, 0
    .long UNASSIGNED + 0x87, 0
    .long UNASSIGNED + 0x2087, 0
    .long 0x00000087, 0x10                  /* 64 GiB */
    .long 0xffffe087, 0x000fffff            /* beyond all physical addresses */
    .long 0, 0
