package write

import _ "embed"

// WiresharkScript is the Lua script that shows verdicts in Wireshark and tshark.
//
//go:embed wireshark.lua
var WiresharkScript string
