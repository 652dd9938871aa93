package model

// CountSeverities counts findings by severity, each once whatever its Count.
func CountSeverities(findings []Finding) (n SeverityCounts) {
	for i := range findings {
		switch findings[i].Severity {
		case Error:
			n.Error++
		case Warning:
			n.Warning++
		default:
			n.Info++
		}
	}
	return n
}
