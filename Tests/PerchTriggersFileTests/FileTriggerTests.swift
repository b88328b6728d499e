// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersFile
import Testing

struct FileTriggerTests {
    private func problems(_ path: String) -> [String] { FileTrigger(path: path).problems }

    @Test("A trigger survives being stored")
    func coding() throws {
        let trigger: FileTrigger = .file("/data/in/{{ ds }}.csv", stableFor: .seconds(5), minimumSize: 10)
        #expect(try TriggerSpec(trigger).trigger(as: FileTrigger.self) == trigger)
        #expect(trigger.target == "/data/in/{{ ds }}.csv")
        let event = try JSONValue(parsing: #"{"path": "/a", "size": 3, "modified_at": 5}"#).decode(FileEvent.self)
        #expect(event == FileEvent(path: "/a", size: 3, modifiedAt: Timestamp(microseconds: 5), paths: ["/a"]))
    }

    @Test("What is waited for survives being stored, and what was stored without it stays readable")
    func codingAims() throws {
        let removed: FileTrigger = .file(removed: "/data/lock")
        let changed: FileTrigger = .file(changed: "/data/config.json")
        let many: FileTrigger = .files("/data/in/*.csv", atLeast: 10, stableFor: .seconds(5), minimumSize: 1)
        for trigger in [removed, changed, many] {
            #expect(trigger.problems.isEmpty)
            #expect(try TriggerSpec(trigger).trigger(as: FileTrigger.self) == trigger)
        }
        #expect(try TriggerSpec(removed).definition == ["path": "/data/lock", "until": "removed"])
        #expect(try TriggerSpec(changed).definition == ["path": "/data/config.json", "until": "changed"])
        #expect(try TriggerSpec(many).definition["at_least"] == 10)
        #expect(try TriggerSpec(FileTrigger.file("/a")).definition == ["path": "/a"])
        #expect(try JSONValue(parsing: #"{"path": "/a"}"#).decode(FileTrigger.self) == .file("/a"))
        #expect(throws: (any Error).self) {
            try JSONValue(parsing: #"{"path": "/a", "until": "soon"}"#).decode(FileTrigger.self)
        }
    }

    @Test("What contradicts itself is a problem at declaration")
    func conflicts() {
        let second = TimeSpan.seconds(1)
        #expect(FileTrigger(path: "/a", stableFor: second, until: .removed).problems.count == 1)
        #expect(FileTrigger(path: "/a", minimumSize: 1, until: .changed).problems.count == 1)
        #expect(FileTrigger(path: "/a/*", until: .removed, atLeast: 2).problems.count == 1)
        #expect(FileTrigger.file(changed: "/a/*.json").problems.first?.contains("without a pattern") == true)
        #expect(FileTrigger.file(changed: "/{{ ds }}/*").problems.count == 1)
        #expect(FileTrigger.file(changed: "{{ params.path }}").problems.isEmpty)
        #expect(FileTrigger.files("/a/*", atLeast: 0).problems.first?.contains("atLeast cannot be 0") == true)
        #expect(FileTrigger.files("/a/*", atLeast: 10_001).problems.count == 1)
        #expect(FileTrigger.files("/a/b", atLeast: 2).problems.first?.contains("never has 2 files") == true)
        #expect(FileTrigger.files("/a/{{ params.names }}", atLeast: 2).problems.isEmpty)
        #expect(FileTrigger.files("{{ params.files }}", atLeast: 0).problems.count == 1)
    }

    @Test("Paths that cannot be waited for are problems at declaration, and say why")
    func pathProblems() {
        #expect(problems("/data/in.csv").isEmpty)
        #expect(problems("/data/*/in-?[0-9].csv").isEmpty)
        #expect(problems("{{ params.path }}/in.csv").isEmpty)
        #expect(problems("/data/{{ params.a / 2 }}/in.csv").isEmpty)
        #expect(problems("data/in.csv").first?.contains("not absolute") == true)
        #expect(problems("/data/**/in.csv").first?.contains("'**'") == true)
        #expect(problems("/data/../in.csv").first?.contains("'..'") == true)
        #expect(problems("/").first?.contains("names no file") == true)
        #expect(problems("").count == 1)
        #expect(FileTrigger(path: "/a", stableFor: .seconds(-1), minimumSize: -1).problems.count == 2)
    }
}
