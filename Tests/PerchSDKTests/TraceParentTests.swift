// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@Suite("Places in traces")
struct TraceParentTests {
    private static let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test("one is read as it is written")
    func read() throws {
        let parent = try #require(TraceParent(Self.text))
        #expect(parent.traceID == "4bf92f3577b34da6a3ce929d0e0e4736" && parent.spanID == "00f067aa0ba902b7")
        #expect(parent.isSampled && parent.text == Self.text)
        #expect(TraceParent(String(Self.text.dropLast(2)) + "00")?.isSampled == false)
        // A version to come may say more.
        #expect(TraceParent("cc" + String(Self.text.dropFirst(2)) + "-more")?.text == Self.text)
    }

    private static let none: [String] = {
        let rest = String(text.dropFirst(2))
        var none = ["", "00", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"]
        none.append("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01")
        none.append(text + "-more")
        none.append("ff" + rest)
        none.append(text.uppercased())
        none.append(String(text.dropLast()) + "g")
        none.append(text.replacing("-", with: "_"))
        none.append(text + "\n")
        none.append(String(repeating: "0", count: 55))
        none.append("\u{E9}" + rest)
        none.append("cc" + rest + "more")
        return none
    }()

    @Test("what is none is none", arguments: none)
    func refused(text: String) { #expect(TraceParent(text) == nil) }

    @Test("ids follow from names alone, differ where names do, and keep the trace that a run belongs into")
    func ids() throws {
        func trace(_ dag: String, _ run: String, _ key: Int64, _ parent: String? = nil) -> RunTrace {
            RunTrace(dagID: dag, runID: run, runKey: key, traceparent: parent)
        }
        let one = trace("d", "r", 1)
        #expect(one == trace("d", "r", 1) && one.isSampled)
        #expect(TraceParent(one.traceparent(under: one.runSpan))?.traceID == one.traceID)
        var ids: Set<String> = []
        for other in [trace("d", "r", 2), trace("dr", "", 1), trace("", "dr", 1), one] {
            ids.insert(other.traceID)
            ids.insert(other.runSpan)
            for (task, map, number) in [("a", -1, 1), ("a", -1, 2), ("a", 1, 1), ("b", -1, 1)] {
                let attempt = other.attempt(taskID: task, mapIndex: map, tryNumber: number)
                ids.insert(attempt)
                for key in ["x#0", "x#1"] { ids.insert(RunTrace.entry(key, of: attempt)) }
            }
        }
        #expect(ids.count == 4 * (2 + 4 * 3))
        #expect(ids.allSatisfy { $0.utf8.count == 32 || $0.utf8.count == 16 })
        let within = trace("d", "r", 1, Self.text)
        #expect(within.traceID == "4bf92f3577b34da6a3ce929d0e0e4736" && within.parent?.spanID == "00f067aa0ba902b7")
        #expect(within.runSpan == one.runSpan)
        #expect(!trace("d", "r", 1, String(Self.text.dropLast(2)) + "00").isSampled)
        #expect(trace("d", "r", 1, "nonsense") == one)
    }
}
