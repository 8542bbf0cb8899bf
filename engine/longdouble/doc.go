// Package longdouble does the arithmetic of INCRBYFLOAT: the 80-bit extended floats that Redis' "long double" is on x86.
//
// A value has a 64-bit significand and exponents from 2^-16445 (the smallest denormal) to just below 2^16384. Text is read as
// the C library's strtold reads it and written as its printf("%.17Lf") writes it, then trimmed of the zeros it ends with. Both
// conversions and the sum are rounded to nearest, ties to even, from the exact result, so that the answer is the same on every
// machine and the same as that of a Redis server on x86. Measured on 7.0.15.
package longdouble
