/* SPDX-License-Identifier: Apache-2.0 */
/* Operands of the epilogue's steps: bindings 4 to 7. */
OPERAND(4)
OPERAND(5)
OPERAND(6)
OPERAND(7)

float post_operand(uint which, uint type, int i)
{
    return which == 4u   ? ld4(type, i)
           : which == 5u ? ld5(type, i)
           : which == 6u ? ld6(type, i)
                         : ld7(type, i);
}
