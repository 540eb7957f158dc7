/*
 * Starts an unpacked Linux kernel on a PC without any VMM: for the comparison in
 * `cargo bulkhead bench` of the same kernel and initial RAM disk with and without
 * seL4. A Multiboot loader puts this code, the kernel's segments and the RAM disk to
 * their places at once (tools/bench/src/measure/native.rs makes one ELF file of
 * them); what is left to do is the PVH start information and a jump, as the VMM does
 * for its guest (vmm-pd/core/src/boot/pvh.rs).
 *
 * The memory map is the machine's own, from Multiboot, with RAM above RAM_END left
 * out, so that Linux has as much as a guest has.
 *
 * The last thing before the jump is to write the time-stamp counter to COM2 as a
 * status line, twelve hexadecimal digits: it fits the port's FIFO, so nothing waits.
 *
 * Given by the maker: ENTRY, the kernel's PVH entry; RAMDISK and RAMDISK_SIZE;
 * RAM_END.
 */
#define COM2 0x2f8
/* Multiboot specification 0.6.96: 3.2 magic number, 3.3 bit 6 and offset of the map. */
#define MULTIBOOT 0x2badb002
#define HAS_MAP 0x40
#define MAP_LENGTH 44
#define MAP_ADDRESS 48
#define USABLE 1
/* Room for the map: more than any firmware of ours gives. */
#define RANGES_MAX 32
#define RANGE_SIZE 24

    .section .multiboot, "a"
    .balign 4
    .long 0x1badb002, 2, -(0x1badb002 + 2)

    .text
    .code32
    .globl start
start:
    cli
    cld
    movl $stack_top, %esp
    cmpl $MULTIBOOT, %eax
    jne refuse
    testl $HAS_MAP, (%ebx)
    jz refuse
    movl MAP_ADDRESS(%ebx), %esi
    movl MAP_LENGTH(%ebx), %ebp
    addl %esi, %ebp
    movl $map, %edi
    xorl %ecx, %ecx
/* An entry: size of what follows, base and length of 64 bits, kind of 32. */
range:
    cmpl %ebp, %esi
    jae ranges_done
    cmpl $RANGES_MAX, %ecx
    je refuse
    movl 4(%esi), %eax
    movl %eax, (%edi)
    movl 8(%esi), %eax
    movl %eax, 4(%edi)
    movl 12(%esi), %eax
    movl %eax, 8(%edi)
    movl 16(%esi), %eax
    movl %eax, 12(%edi)
    movl 20(%esi), %eax
    movl %eax, 16(%edi)
    movl $0, 20(%edi)
    cmpl $USABLE, %eax
    jne 2f
    /* Usable: none of it beyond RAM_END. This machine has none above 4 GiB. */
    cmpl $0, 4(%edi)
    jne 3f
    movl $RAM_END, %eax
    subl (%edi), %eax
    jbe 3f
    cmpl %eax, 8(%edi)
    jbe 2f
    movl %eax, 8(%edi)
2:  addl $RANGE_SIZE, %edi
    incl %ecx
3:  addl (%esi), %esi
    addl $4, %esi
    jmp range
ranges_done:
    movl %ecx, map_entries

    /* COM2: 8N1, FIFOs on and empty; the speed is what it is. */
    movw $COM2 + 3, %dx
    movb $3, %al
    outb %al, %dx
    movw $COM2 + 2, %dx
    movb $7, %al
    outb %al, %dx

    rdtsc
    movl %eax, %esi
    movl %edx, %ebp
    movw $COM2, %dx
    movb $2, %al
    outb %al, %dx
    movl %ebp, %eax
    shll $16, %eax
    movl $4, %ecx
    call digits
    movl %esi, %eax
    movl $8, %ecx
    call digits
    movb $3, %al
    outb %al, %dx
    movl $start_info, %ebx
    movl $ENTRY, %eax
    jmp *%eax

/* The upper ECX digits of EAX. */
digits:
1:  roll $4, %eax
    movl %eax, %edi
    andb $15, %al
    addb $0x30, %al
    cmpb $0x3a, %al
    jb 2f
    addb $0x27, %al
2:  outb %al, %dx
    movl %edi, %eax
    decl %ecx
    jnz 1b
    ret

/* Says so: a status line that is no number. */
refuse:
    movl $reason, %esi
    movl $reason_end - reason, %ecx
3:  movw $COM2 + 5, %dx
    inb %dx, %al
    testb $0x20, %al
    jz 3b
    lodsb
    movw $COM2, %dx
    outb %al, %dx
    decl %ecx
    jnz 3b
4:  hlt
    jmp 4b

    .data
reason:
    .ascii "\2the boot loader gave no memory map\3"
reason_end:
command_line:
    .asciz COMMAND_LINE
    /* hvm_start_info, version 1 (Xen, public/arch-x86/hvm/start_info.h). The root
       table of ACPI is left for Linux to find, as on any PC. */
    .balign 8
start_info:
    .long 0x336ec578, 1, 0, 1
    .long ramdisk_entry, 0, command_line, 0, 0, 0, map, 0
map_entries:
    .long 0, 0
ramdisk_entry:
    .quad RAMDISK, RAMDISK_SIZE, 0, 0

    .bss
    .balign 8
map: .space RANGES_MAX * RANGE_SIZE
    .balign 16
    .space 1024
stack_top:
