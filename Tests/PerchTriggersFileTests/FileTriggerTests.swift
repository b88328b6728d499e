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
