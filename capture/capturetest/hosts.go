package capturetest

// Pair is one way to divide the traffic of one capture between two captures.
type Pair struct {
	Name string
	// Skew is how many nanoseconds the clock of the second capture is ahead.
	Skew int64
	// Divide makes the two captures, without the skew.
	Divide func(packets []Packet, seed uint64) (a, b []Packet)
}

// Captures makes the two captures. It does not change packets.
func (p *Pair) Captures(packets []Packet, seed uint64) (a, b []Packet) {
	a, b = p.Divide(packets, seed)
	return a, Shift(b, p.Skew)
}

// Pairs returns all pairs. No pair loses packets.
func Pairs() []Pair {
	const second = 1_000_000_000
	var all []Pair
	for _, d := range []struct {
		name   string
		divide func([]Packet, uint64) ([]Packet, []Packet)
	}{
		{"both have all of it", func(p []Packet, _ uint64) (a, b []Packet) { return p, p }},
		{"each lacks some of it", EachLacksSome},
		{"one direction each", func(p []Packet, _ uint64) (a, b []Packet) { return OneWay(p, ToBroker), OneWay(p, ToClient) }},
	} {
		all = append(all, Pair{d.name, 0, d.divide}, Pair{d.name + ", a second ahead", second, d.divide},
			Pair{d.name + ", 1.5 s behind", -second * 3 / 2, d.divide})
	}
	return append(all,
		Pair{"every other connection", 0, EveryOther},
		Pair{"one behind the other", 0, func(p []Packet, _ uint64) (a, b []Packet) { return p[:len(p)/2], p[len(p)/2:] }},
	)
}

// Shift adds nanoseconds to the times of packets.
func Shift(packets []Packet, nanoseconds int64) []Packet {
	var out []Packet
	for _, p := range packets {
		p.Time += nanoseconds
		out = append(out, p)
	}
	return out
}

// EachLacksSome puts each packet into one of two captures or into both.
func EachLacksSome(packets []Packet, seed uint64) (a, b []Packet) {
	r := random(seed)
	for _, p := range packets {
		n := r.IntN(10)
		if n != 0 {
			a = append(a, p)
		}
		if n != 1 {
			b = append(b, p)
		}
	}
	return a, b
}

// EveryOther puts every other connection into the second capture, and everything else into the
// first.
func EveryOther(packets []Packet, _ uint64) (a, b []Packet) {
	for i, s := range dissect(packets) {
		if s != nil && s.stream%2 == 1 {
			b = append(b, packets[i])
		} else {
			a = append(a, packets[i])
		}
	}
	return a, b
}
