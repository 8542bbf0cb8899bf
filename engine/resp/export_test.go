package resp

// ScannerCapForTesting is the memory that a scanner's buffer takes.
func ScannerCapForTesting(u *UnitScanner) int { return cap(u.buf) }
