/* Device registers through every instruction form of 32-bit code, without and with paging. */
#define NAME "mmio32"
#include "common.inc"

    .text
    .code32
main:
    call forms
    /* The same through two-level paging, the APICs elsewhere than they are. */
    movl $tables, %edi
    movl $1024, %ecx
    movl $0x87, %eax
1:  stosl
    addl $0x400000, %eax
    loop 1b
    /* 0x80000000: a table of 4 KiB pages. */
    movl $table + 7, tables + 0x800
    movl $LAPIC + 0x13, table + 4 * 5
    movl $IOAPIC + 0x13, table + 4 * 6
    movl %cr4, %eax
    orl $0x10, %eax
    movl %eax, %cr4
    movl $tables, %eax
    movl %eax, %cr3
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    movl $0x80005000, lapic
    movl $0x80006000, ioapic
    call forms
    /* The dirty and accessed bits of a device's page are set. */
    movl table + 4 * 5, %eax
    andl $0x60, %eax
    cmpl $0x60, %eax
    CHECK32(e)
    /* A write to a read-only page of it faults, and a read does not. */
    andl $~2, table + 4 * 5
    movl %cr3, %eax
    movl %eax, %cr3
    movl %cr0, %eax
    orl $0x10000, %eax
    movl %eax, %cr0
    movl $0x80005000, %ebx
    movl $0x33, %ecx
    TRY32(movl %ecx, 0x80(%ebx))
    FAULTED32(14, 3)
    cmpl $0x80005080, fault_cr2
    CHECK32(e)
    TRY32(movl 0x80(%ebx), %ecx)
    NOT_FAULTED32
    /* An access whose second half is missing: no effect at all. */
    orl $2, table + 4 * 5
    movl $0, table + 4 * 6
    movl %cr3, %eax
    movl %eax, %cr3
    testl $PAGE_FAULTS, bulkhead
    jz segments
    TRY32(movl %ecx, 0xffe(%ebx))
    FAULTED32(14, 2)
    cmpl $0x80006000, fault_cr2
    CHECK32(e)
segments:
    /* Segments: a base, and a limit that ends inside the page. */
    movw $device_segment - gdt, %ax
    TRY32(movw %ax, %fs)
    NOT_FAULTED32
    movl $0x44, %fs:0x80
    movl %fs:0x80, %eax
    cmpl $0x44, %eax
    CHECK32(e)
    cmpb $0, on_tcg
    jne 1f
    TRY32(movl %fs:0x0fd, %eax)
    FAULTED32(13, 0)
1:  jmp pass32

forms:
    movl lapic, %ebx
    movl ioapic, %ebp
#define CHECK CHECK32
#define BX %ebx
#define IOX %ebp
#include "forms.inc"
    leal 0x80(%ebx), %esi
    movl $scratch, %edi
    cld
    movsl
    cmpl $0x5a, scratch
    CHECK32(e)
    leal 0x80(%ebx), %eax
    addl $4, %eax
    cmpl %eax, %esi
    CHECK32(e)
    movl $0x6b, scratch
    movl $scratch, %esi
    leal 0x80(%ebx), %edi
    movsl
    cmpl $0x6b, 0x80(%ebx)
    CHECK32(e)
    leal 0x80(%ebx), %edi
    movl $0x7c, %eax
    stosl
    leal 0x80(%ebx), %esi
    lodsl
    cmpl $0x7c, %eax
    CHECK32(e)
    leal 0x80(%ebx), %edi
    movl $0x7d, %eax
    scasl
    CHECK32(ne)
    /* A push from it, a pop to it. */
    movl %esp, %edx
    pushl 0x80(%ebx)
    popl %eax
    cmpl $0x7c, %eax
    CHECK32(e)
    pushl $0x08
    popl 0x80(%ebx)
    cmpl $0x08, 0x80(%ebx)
    CHECK32(e)
    cmpl %edx, %esp
    CHECK32(e)
    /* The moffs forms know only one address. */
    cmpl $LAPIC, lapic
    jne 1f
    movl LAPIC + 0x80, %eax
    cmpl $0x08, %eax
    CHECK32(e)
    xorl %eax, %eax
    movl %eax, LAPIC + 0x80
    cmpl %eax, 0x80(%ebx)
    CHECK32(e)
1:  movl $0, 0x80(%ebx)
    ret

    .data
    .balign 4
lapic: .long LAPIC
ioapic: .long IOAPIC
scratch: .long 0
    .bss
    .balign 4096
tables: .space 4096
table: .space 4096
