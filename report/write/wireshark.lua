-- kafkavet.lua: Kafka requests in versions that the broker does not advertise, in Wireshark and tshark.
-- Printed by: kafkavet wireshark
--
-- Install: save it in the folder "Personal Lua Plugins" (Help, About Wireshark, Folders). For one run:
--   tshark -X lua_script:kafkavet.lua -r kafka.pcap -Y 'kafkavet.verdict == "above-max"'
--
-- It adds to each Kafka request: kafkavet.verdict (ok, above-max, below-min, not-advertised, exempt, unknown),
-- kafkavet.min and kafkavet.max (what was advertised), kafkavet.evidence (observed on the same connection, borrowed
-- from an earlier one to the same broker, none) and, where the version is outside, kafkavet.finding.
--
-- It computes this from Wireshark's own fields, and does not read the output of kafkavet: Wireshark does not tell a
-- script which file is open, and a live capture has none. So it needs what Wireshark needs: Decode As for ports
-- other than 9092, and the key log for TLS. It judges versions only. Findings that need the outcome of requests, the
-- history of a broker or a later connection are those of: kafkavet analyze FILE

local kafkavet = Proto("kafkavet", "Kafka versions (kafkavet)")

local fields = {
	verdict = ProtoField.string("kafkavet.verdict", "Verdict"),
	min = ProtoField.int16("kafkavet.min", "Advertised min"),
	max = ProtoField.int16("kafkavet.max", "Advertised max"),
	evidence = ProtoField.string("kafkavet.evidence", "Evidence"),
	finding = ProtoField.string("kafkavet.finding", "Finding"),
}
kafkavet.fields = fields

local outside = ProtoExpert.new("kafkavet.outside", "Version outside the advertised range", expert.group.PROTOCOL, expert.severity.ERROR)
kafkavet.experts = { outside }

local stream_field = Field.new("tcp.stream")
local key_field, version_field = Field.new("kafka.api_key"), Field.new("kafka.api_version")
local advertised_key = Field.new("kafka.api_versions.api_key")
local advertised_min, advertised_max = Field.new("kafka.api_versions.min_version"), Field.new("kafka.api_versions.max_version")

local API_VERSIONS = 18
local findings = {
	["above-max"] = "KV1001 above-max",
	["below-min"] = "KV1002 below-min",
	["not-advertised"] = "KV1003 not-advertised",
}

-- Ranges by connection and by broker address, the latest ones; judged: the requests of a frame, as they were seen first.
-- Frames are read in order only once.
local by_stream, by_broker, judged

function kafkavet.init()
	by_stream, by_broker, judged = {}, {}, {}
	if gui_enabled() then -- earlier, while scripts are loaded, Wireshark has no window and would crash
		set_color_filter_slot(1, "kafkavet.finding") -- a color that lasts until Wireshark ends
	end
end

-- learn takes the ranges of an ApiVersions response. One with ApiVersions alone is a refusal (KIP-511), and no table.
local function learn(pinfo, stream)
	local keys, mins, maxs = { advertised_key() }, { advertised_min() }, { advertised_max() }
	if #keys == 0 or #keys == 1 and keys[1].value == API_VERSIONS then
		return
	end
	local ranges = {}
	for i, key in ipairs(keys) do
		if mins[i] and maxs[i] then
			ranges[key.value] = { min = mins[i].value, max = maxs[i].value }
		end
	end
	by_stream[stream] = ranges
	by_broker[tostring(pinfo.src) .. " " .. pinfo.src_port] = ranges
end

-- judge compares a request with the ranges.
local function judge(pinfo, stream, key, version)
	local request = { key = key, version = version, evidence = "observed" }
	local ranges = by_stream[stream]
	if not ranges then
		ranges = by_broker[tostring(pinfo.dst) .. " " .. pinfo.dst_port]
		request.evidence = ranges and "borrowed" or "none"
	end
	local range = ranges and ranges[key]
	if key == API_VERSIONS then
		request.verdict, request.evidence = "exempt", nil
	elseif not ranges then
		request.verdict = "unknown"
	elseif not range then
		request.verdict = "not-advertised"
	else
		request.min, request.max = range.min, range.max
		request.verdict = version > range.max and "above-max" or version < range.min and "below-min" or "ok"
	end
	if findings[request.verdict] then
		request.finding = findings[request.verdict] .. ": v" .. version .. ", advertised " ..
			(range and ("v" .. range.min .. " to v" .. range.max) or "no such API")
	end
	return request
end

-- show adds a request to the tree, behind its API version.
local function show(tree, pinfo, tvb, request)
	local branch = tree:add(kafkavet, tvb(0, 0), "Kafka version: " .. (request.finding or request.verdict))
	for _, name in ipairs({ "verdict", "min", "max", "evidence", "finding" }) do
		if request[name] then
			branch:add(fields[name], tvb(0, 0), request[name]):set_generated()
		end
	end
	if request.finding then
		branch:add_proto_expert_info(outside, request.finding)
		pinfo.cols.info:append(" [" .. request.finding .. "]")
	end
end

function kafkavet.dissector(tvb, pinfo, tree)
	local list = judged[pinfo.number]
	if not pinfo.visited and not list then
		local streams = { stream_field() } -- the last one is the innermost, where there are tunnels
		if #streams == 0 then
			return
		end
		local stream = streams[#streams].value
		learn(pinfo, stream)
		local keys, versions = { key_field() }, { version_field() }
		if #keys > 0 and #keys == #versions then
			list = {}
			for i, key in ipairs(keys) do
				list[i] = judge(pinfo, stream, key.value, versions[i].value)
			end
			judged[pinfo.number] = list
		end
	end
	for _, request in ipairs(list or {}) do
		show(tree, pinfo, tvb, request)
	end
end

register_postdissector(kafkavet)
