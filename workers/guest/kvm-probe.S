# A boot sector that does what a real kernel does first: it enters long mode, runs a while, and leaves through isa-debug-exit.
# A virtual CPU that only claims to work never comes to the end. `acceleration.py` carries the assembled 512 bytes; a test
# assembles this file and compares:  gcc -nostdlib -Wl,--oformat=binary,-Ttext=0x7c00 kvm-probe.S
    .code16
    .globl _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
    cld
    movl $0x1000, %edi          # page tables at 0x1000: PML4, PDPT, PD
    movl %edi, %cr3
    xorl %eax, %eax
    movl $3072, %ecx
    rep stosl
    movl $0x2003, 0x1000
    movl $0x3003, 0x2000
    movl $0x83, 0x3000          # one page of 2 MiB, present and writable, onto itself
    movl %cr4, %eax
    orl $0x20, %eax             # PAE
    movl %eax, %cr4
    movl $0xc0000080, %ecx      # EFER
    rdmsr
    orl $0x100, %eax            # LME
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax       # paging and protection
    movl %eax, %cr0
    lgdt table
    ljmp $0x08, $long_mode
    .code64
long_mode:
    movl $20000000, %ecx        # fewer pass on a machine that hangs soon after
1:  decl %ecx
    jnz 1b
    movb $42, %al
    movw $0xf4, %dx
    outb %al, %dx               # QEMU exits with 2 * 42 + 1
2:  hlt
    jmp 2b
    .balign 8
descriptors:
    .quad 0
    .quad 0x00209a0000000000    # 64-bit code
table:
    .word . - descriptors - 1
    .long descriptors
    .org 510
    .word 0xaa55
