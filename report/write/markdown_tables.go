package write

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

const (
	// maxMarkdownUnfolded is how many rows of a table are shown unfolded.
	maxMarkdownUnfolded = 12
	// rowsTail is reserved for the sentence that counts the omitted rows.
	rowsTail = 200
)

func mdRow(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

func mdHead(columns ...string) string {
	return mdRow(columns...) + strings.Repeat("|---", len(columns)) + "|\n"
}

// table collects the rows of a table that fit.
type table struct {
	head string
	rows []string
	// omitted counts the rows that do not fit.
	omitted uint64
	room    int
}

// newTable returns a table of at most room bytes.
func newTable(room int, columns ...string) *table {
	head := mdHead(columns...)
	return &table{head: head, room: room - len(head) - rowsTail}
}

// row adds a row, or counts it.
func (t *table) row(cells ...string) {
	row := mdRow(cells...)
	if len(row) > t.room {
		t.omitted++
		t.room = 0
		return
	}
	t.room -= len(row)
	t.rows = append(t.rows, row)
}

// text returns the table, with a sentence that counts the omitted rows.
func (t *table) text(noun string) string {
	out := t.head + strings.Join(t.rows, "") + "\n"
	if t.omitted > 0 {
		out += fmt.Sprintf("And %s for which there is no room here.\n\n", words.Plural(t.omitted, "more "+noun))
	}
	return out
}

// headingRoom is reserved for a heading and the markup of a folded part.
const headingRoom = 200

func (m *markdown) clients() {
	if len(m.r.Clients) == 0 {
		return
	}
	t := newTable(m.left-headingRoom, "Client", "API", "Advertised", "Versions used")
	for _, c := range clientsByProblems(m.r) {
		name := programPhrase(c)
		if len(c.ClientIDs) > 0 && c.SoftwareName != "" {
			name = say(name, ", client id ", some(c.ClientIDs, 2))
		}
		cell := mdPhrase(say(name, ownerPhrase(c.Principals, c.Processes)))
		for i := range c.APIs {
			u := &c.APIs[i]
			if i > 0 {
				cell = ""
			}
			t.row(cell, mdProse(u.Name), mdProse(m.ranges.of(c.BrokerAddresses, u.Key).text()), mdProse(versionsText(u)))
		}
	}
	m.put("### Clients and APIs\n\n")
	m.foldable(t, "row", "Versions that "+words.Plural(uint64(len(m.r.Clients)), "client")+" used")
}

func (m *markdown) target() {
	g := m.r.Target
	if g == nil {
		return
	}
	m.put("### " + mdProse("On "+targetTitle(g)+": "+targetHeadline(g)) + "\n\n")
	open := len(g.Clients)
	if open > maxMarkdownUnfolded { // clients that break stay unfolded
		open = slices.IndexFunc(g.Clients, func(c model.TargetClient) bool { return model.CompareVerdicts(c.Verdict, model.VerdictLikely) > 0 })
	}
	if open < 0 {
		open = len(g.Clients)
	}
	if open > 0 {
		m.put(m.targetTable(g.Clients[:open]))
	}
	if rest := g.Clients[open:]; len(rest) > 0 {
		m.put(folded("Verdicts on "+words.Plural(uint64(len(rest)), restNoun(open)), m.targetTable(rest)))
	}
	for _, p := range targetRemarks(g, m.r) {
		m.put("- " + mdPhrase(p) + "\n")
	}
	m.put("\n")
}

// restNoun names the clients after the unfolded ones.
func restNoun(open int) string {
	if open > 0 {
		return "other client"
	}
	return "client"
}

func (m *markdown) targetTable(clients []model.TargetClient) string {
	t := newTable(m.left-targetTail, "Verdict", "Client", "What the target makes of it")
	for i := range clients {
		c := &clients[i]
		t.row(mdProse(targetVerdicts[c.Verdict]), mdPhrase(targetClientPhrase(c)), mdProse(targetSaysWhen(c, maxTargetAPIs)))
	}
	return t.text("client")
}

// targetTail is reserved for the text below the target's table: a source, a path, three notes.
const targetTail = 2_000

// foldable writes a table, folded if it is long. title must not contain text from the wire.
func (m *markdown) foldable(t *table, noun, title string) {
	text := t.text(noun)
	if len(t.rows) > maxMarkdownUnfolded {
		text = folded(title, text)
	}
	m.put(text)
}

func (m *markdown) brokers() {
	if len(m.r.Brokers) == 0 {
		return
	}
	t := newTable(m.left-headingRoom, "Broker", "Release", "Advertised", "Connections", "Requests")
	for i := range m.r.Brokers {
		b := &m.r.Brokers[i]
		t.row(mdPhrase(brokerName(b)), mdProse(releaseText(b)), mdProse(apisText(b)), words.Number(b.Streams), words.Number(b.Requests))
	}
	m.put("### Brokers\n\n")
	m.foldable(t, "broker", words.Plural(uint64(len(m.r.Brokers)), "broker"))
}

func (m *markdown) quality() {
	m.put("### What was not seen\n\n")
	notes := documentNotes(m.r)
	if len(notes) == 0 {
		m.put(mdProse(nothingMissing(m.r)) + "\n\n")
		return
	}
	for i, n := range notes {
		if !m.putLeaving(rowsTail, fmt.Sprintf("- **%s:** %s\n", n.What, mdPhrase(n.Text))) {
			m.put(fmt.Sprintf("- and %s\n", words.Plural(uint64(len(notes)-i), "more note")))
			break
		}
	}
	m.put("\n")
}

// reproduce writes the commands that reproduce the results. With maxReproduceFiles names of
// maxArgument bytes and maxDecodePorts ports there are 2 commands of 1,100 bytes and 3 of 750, so
// all of them fit.
func (m *markdown) reproduce() {
	var b strings.Builder
	for _, s := range reproduce(m.r) {
		b.WriteString(mdProse(s.What) + ":\n\n" + mdFence("sh", s.Command) + "\n")
	}
	if remark := reproduceRemark(m.r); len(remark) > 0 {
		b.WriteString(mdPhrase(remark) + "\n")
	}
	m.put(folded("How to reproduce this with kafkavet and tshark", b.String()))
}
