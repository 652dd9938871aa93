package decode

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

func TestUserNamesOfTokens(t *testing.T) {
	for _, tt := range []struct{ mechanism, token, want string }{
		{"PLAIN", "\x00alice\x00secret", "alice"},
		{"PLAIN", "admin\x00alice\x00secret\x00more", "alice"},
		{"PLAIN", "\x00alice", ""}, // cut: the name may continue
		{"PLAIN", "alice", ""},
		{"PLAIN", "\x00\x00secret", ""},
		{"PLAIN", "\x00a\x01b\x00secret", ""},
		{"PLAIN", "\x00a\xffb\x00secret", ""},
		{"SCRAM-SHA-256", "n,,n=alice,r=secret", "alice"},
		{"SCRAM-SHA-512", "y,a=admin,n=a=2Cb=3Dc,r=secret,tokenauth=true", "a,b=c"},
		{"SCRAM-SHA-256", "p=tls-unique,,n=alice,r=secret", "alice"},
		{"SCRAM-SHA-256", "n,,n=alice", ""}, // cut
		{"SCRAM-SHA-256", "c=biws,r=secret,p=secret,x", ""},
		{"SCRAM-SHA-256", ",,n=alice,r=secret", ""},
		{"SCRAM-SHA-256", "n,,m=secret,n=alice,r=secret", ""},
		{"OAUTHBEARER", "n,a=alice,\x01auth=Bearer secret\x01\x01", ""},
		{"GSSAPI", "\x00alice\x00secret", ""},
		{"", "\x00alice\x00secret", ""},
	} {
		h := &handler{shard: NewShard(ShardOptions{}), mechanism: tt.mechanism, nameDue: true}
		h.shard.opt.Principals = true
		h.token([]byte(tt.token))
		if h.principal != tt.want {
			t.Errorf("%s %q names %q, want %q", tt.mechanism, tt.token, h.principal, tt.want)
		}
		h.token([]byte("\x00bob\x00secret"))
		if h.principal != tt.want {
			t.Errorf("%s: the second token names %q", tt.mechanism, h.principal)
		}
	}
}

// TestPrincipals: with ShardOptions.Principals, requests have the user name of their connection from the
// token on. Otherwise nothing of a token is kept. In both cases nothing but the name is.
func TestPrincipals(t *testing.T) {
	authenticated := func(d *driver, version int16, token string) {
		req := kmsg.NewPtrSASLAuthenticateRequest()
		req.Version, req.SASLAuthBytes = version, []byte(token)
		resp := kmsg.NewPtrSASLAuthenticateResponse()
		resp.Version = version
		d.respond(d.request(req), resp)
	}
	for _, tt := range []struct {
		name string
		run  func(d *driver)
	}{
		{"PLAIN", func(d *driver) {
			d.respond(d.request(handshakeOf(1, "PLAIN")), enabled(1, 0, "PLAIN"))
			authenticated(d, 0, "\x00alice\x00secret")
		}},
		{"flexible", func(d *driver) {
			d.respond(d.request(handshakeOf(1, "PLAIN")), enabled(1, 0, "PLAIN"))
			authenticated(d, 2, "\x00alice\x00secret")
		}},
		{"SCRAM", func(d *driver) {
			d.respond(d.request(handshakeOf(1, "SCRAM-SHA-256")), enabled(1, 0, "SCRAM-SHA-256"))
			authenticated(d, 1, "n,,n=alice,r=secret")
			authenticated(d, 1, "c=biws,r=secret,p=secret")
		}},
		{"raw tokens", func(d *driver) {
			d.respond(d.request(handshakeOf(0, "PLAIN")), enabled(0, 0, "PLAIN"))
			d.message(reassembly.ToBroker, []byte("\x00alice\x00secret"))
			d.message(reassembly.ToClient, nil)
		}},
		{"long", func(d *driver) {
			d.respond(d.request(handshakeOf(1, "PLAIN")), enabled(1, 0, "PLAIN"))
			authenticated(d, 1, "\x00alice\x00"+strings.Repeat("secret", 1000))
		}},
	} {
		for _, isOn := range []bool{false, true} {
			n := newNetwork()
			if isOn {
				n.shard.opt.Principals = true
			}
			d := n.open(t)
			d.negotiate()
			tt.run(d)
			d.respond(d.request(requestOf(3, 5)), responseOf(3, 5))
			events := d.end(reassembly.Cut, 0)
			var got []string
			for _, e := range exchanges(events) {
				if e.Principal != "" || e.Key == 3 {
					got = append(got, fmt.Sprint(e.Key, " ", e.Principal))
				}
			}
			want := "3 "
			if isOn {
				want = "3 alice"
			}
			if got[len(got)-1] != want || !isOn && len(got) > 1 {
				t.Errorf("%s, on %v: %q", tt.name, isOn, got)
			}
			said := dump(events) + fmt.Sprint(d.net.shard.texts)
			if strings.Contains(said, "secret") || !isOn && strings.Contains(said, "alice") {
				t.Errorf("%s, on %v: a secret is kept: %s", tt.name, isOn, said)
			}
		}
	}
}

// TestAnotherPrincipalOnAConnection: a client can authenticate again as another user.
func TestAnotherPrincipalOnAConnection(t *testing.T) {
	n := newNetwork()
	n.shard.opt.Principals = true
	d := n.open(t)
	d.negotiate()
	for _, name := range []string{"alice", "bob"} {
		d.respond(d.request(handshakeOf(1, "PLAIN")), enabled(1, 0, "PLAIN"))
		req := kmsg.NewPtrSASLAuthenticateRequest()
		req.Version, req.SASLAuthBytes = 1, []byte("\x00"+name+"\x00secret")
		resp := kmsg.NewPtrSASLAuthenticateResponse()
		resp.Version = 1
		d.respond(d.request(req), resp)
		d.respond(d.request(requestOf(3, 5)), responseOf(3, 5))
	}
	var got []string
	for _, e := range exchanges(d.end(reassembly.Cut, 0)) {
		if e.Key == 3 {
			got = append(got, e.Principal)
		}
	}
	if diff := cmp.Diff([]string{"alice", "bob"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestPrincipalOfACertificate: the subject of the certificate is the principal of connections
// without SASL.
func TestPrincipalOfACertificate(t *testing.T) {
	for _, tt := range []struct {
		mechanism, token string
		want             []string
	}{
		{"", "", []string{"18 ", "3 CN=orders"}},
		{"PLAIN", "\x00alice\x00secret", []string{"18 ", "17 ", "36 alice", "3 alice"}},
		{"GSSAPI", "secret", []string{"18 ", "17 ", "36 ", "3 "}},
	} {
		n := newNetwork()
		n.shard.opt.Principals = true
		d := n.open(t)
		d.conn.TLS = &tlsrecord.Info{Subject: "CN=orders"}
		d.negotiate()
		if tt.mechanism != "" {
			d.respond(d.request(handshakeOf(1, tt.mechanism)), enabled(1, 0, tt.mechanism))
			req := kmsg.NewPtrSASLAuthenticateRequest()
			req.Version, req.SASLAuthBytes = 1, []byte(tt.token)
			resp := kmsg.NewPtrSASLAuthenticateResponse()
			resp.Version = 1
			d.respond(d.request(req), resp)
		}
		d.respond(d.request(requestOf(3, 5)), responseOf(3, 5))
		var got []string
		for _, e := range exchanges(d.end(reassembly.Cut, 0)) {
			got = append(got, fmt.Sprint(e.Key, " ", e.Principal))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q: %s", tt.mechanism, diff)
		}
	}
}
