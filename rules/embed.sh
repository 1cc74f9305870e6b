#!/bin/sh
# Prints the C source that carries the given rule files inside the program (see pipelock/scan/builtin.h).
set -eu
echo '#include "pipelock/scan/builtin.h"'
n=0
for file in "$@"; do
	n=$((n + 1))
	cat <<C
extern const char rule_file_$n[], rule_file_${n}_end[];
__asm__(".section .rodata\n.global rule_file_$n\nrule_file_$n:\n.incbin \"$file\"\n"
	".global rule_file_${n}_end\nrule_file_${n}_end:\n.byte 0\n.previous\n");
C
done
echo 'const struct builtin_rule_file builtin_rule_files[] = {'
i=0
for file in "$@"; do
	i=$((i + 1))
	echo "	{\"builtin:$(basename "$file")\", rule_file_$i, rule_file_${i}_end},"
done
echo '};'
echo "const size_t builtin_rule_file_count = $n;"
