// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@Suite("Probes that tell their trace")
struct TracedProbeTests {
    private let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    private func leaf(_ kind: String) -> JSONValue {
        ["wait": TriggerSpec(kind: kind, target: "t", definition: ["url": "u"]).json]
    }

    @Test("An HTTP wait is told its trace, and so is each HTTP member of a composite, however deep; nothing else is")
    func told() {
        let http = TracedProbe.told(parent, in: ["url": "u"], of: "http")
        #expect(http == ["url": "u", "traceparent": .string(parent)])
        #expect(TracedProbe.told(parent, in: ["path": "/a"], of: "file") == ["path": "/a"])
        let tree: JSONValue = [
            "at_least": 1,
            "of": [leaf("file"), ["none": ["at_least": 1, "of": [leaf("http")]], "within": 5], leaf("http")],
        ]
        let told = TracedProbe.told(parent, in: tree, of: "composite")
        let deep = told["of"]?[1]?["none"]?["of"]?[0]?["wait"]
        #expect(deep?["definition"] == http && deep?["kind"] == "http" && told["of"]?[1]?["within"] == 5)
        #expect(told["of"]?[2]?["wait"]?["definition"] == http)
        #expect(told["of"]?[0] == leaf("file") && told["at_least"] == 1)
        #expect(TracedProbe.isMade(for: tree, of: "composite") && TracedProbe.isMade(for: [:], of: "http"))
        #expect(!TracedProbe.isMade(for: tree, of: "file"))
        #expect(!TracedProbe.isMade(for: ["at_least": 1, "of": [leaf("file")]], of: "composite"))
    }

    @Test("What is no composite stays as it is, and no depth takes more than the deepest composite")
    func malformed() {
        for definition in [.null, 7, [1], ["wait": "http"], ["wait": ["kind": "http"]], ["of": 1], ["none": 1]]
            as [JSONValue]
        {
            #expect(TracedProbe.told(parent, in: definition, of: "composite") == definition, "\(definition.text)")
        }
        var deep = leaf("http")
        for _ in 0..<40 { deep = ["none": deep, "within": 1] }
        #expect(!TracedProbe.isMade(for: deep, of: "composite"))
        #expect(TracedProbe.told(parent, in: deep, of: "composite") == deep)
    }
}

extension JSONValue {
    fileprivate subscript(place: Int) -> JSONValue? {
        guard case .array(let values) = self, values.indices.contains(place) else { return nil }
        return values[place]
    }
}
