// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersSocket
import Testing

struct SocketTriggerTests {
    private func trigger(_ trigger: SocketTrigger) -> SocketTrigger { trigger }

    @Test("A trigger survives being stored, and what is missing has its default")
    func coding() throws {
        let triggers: [SocketTrigger] = [
            .port("db", 5432), .port("{{ params.host }}", 1, until: .closed, every: .seconds(5)),
            .unixSocket("/run/x.sock"),
        ]
        for trigger in triggers { #expect(try TriggerSpec(trigger).trigger(as: SocketTrigger.self) == trigger) }
        let short = try JSONValue(parsing: #"{"host": "db", "port": 5432}"#).decode(SocketTrigger.self)
        #expect(short == trigger(.port("db", 5432, until: .open, every: .seconds(30))))
    }

    @Test("The target names the address, an IPv6 one in brackets")
    func targets() {
        #expect(trigger(.port("db", 5432)).target == "db:5432")
        #expect(trigger(.port("::1", 80)).target == "[::1]:80")
        #expect(trigger(.unixSocket("/run/x.sock")).target == "/run/x.sock")
    }

    @Test("What cannot be connected to is a problem at declaration; a template is not looked at yet")
    func problems() {
        for right in [
            SocketTrigger.port("db.example.org", 1), .port("10.0.0.1", 65_535), .port("fe80::1", 22),
            .port("a_b-c", 22),
            .port("{{ params.host }}", 22), .port("db-{{ params.zone }}.example.org", 22),
            .unixSocket("/run/{{ dag_id }}.sock"), .unixSocket("{{ params.path }}"),
            .unixSocket("/" + String(repeating: "x", count: 106)),
        ] { #expect(right.problems.isEmpty, "\(right)") }
        for wrong in [
            SocketTrigger.port("", 1), .port("db", 0), .port("db", 65_536), .port("db:5432", 1), .port("http://db", 1),
            .port("user@db", 1), .port("db/x", 1), .port("[::1]", 1), .port("db ", 1), .port("bücher.example", 1),
            .port("a\0b", 1), .port(String(repeating: "x", count: 254), 1),
            .port("db", 1, every: .milliseconds(99)), .port("db", 1, every: .seconds(367 * 86_400)),
            .unixSocket("x.sock"), .unixSocket("/x\0y"), .unixSocket(""),
            .unixSocket("/" + String(repeating: "x", count: 107)),
        ] { #expect(wrong.problems.count == 1, "\(wrong)") }
    }
}
