// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import Testing

@testable import PerchBundle

@Suite("The page on the bundle protocol")
struct ProtocolPageTests {
    private let page: String

    init() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Sources/Perch/Perch.docc/BundleProtocol.md").standardized
        page = try String(contentsOf: path, encoding: .utf8)
    }

    /// What stands in the rows of one direction, and around them.
    private func section(_ heading: String) -> String {
        let parts = page.components(separatedBy: "\n## ")
        return parts.first { $0.hasPrefix(heading + "\n") } ?? ""
    }

    /// The names of members, down to where the content is the user's.
    private func names(in value: JSONValue) -> Set<String> {
        switch value {
        case .object(let members):
            var names = Set(members.keys)
            for (name, value) in members
            where !["params", "definition", "connection", "checkpoint", "due"].contains(name) {
                names.formUnion(self.names(in: value))
            }
            return names
        case .array(let elements): return elements.reduce(into: []) { $0.formUnion(names(in: $1)) }
        default: return []
        }
    }

    private func check(_ bytes: [UInt8], against heading: String) throws {
        let section = section(heading)
        var reader = FrameReader()
        bytes.withUnsafeBytes { reader.append($0) }
        while let fields = try reader.next() {
            #expect(section.contains("| `\(fields.type)`"), "\(fields.type) has no row under '\(heading)'")
            let row = section.split(separator: "\n").first { $0.hasPrefix("| `\(fields.type)`") } ?? ""
            // The longest one has its members below the table.
            let place = fields.type == "run" ? section : String(row)
            for name in names(in: .object(fields.members)).sorted() where name != "type" {
                #expect(place.contains("`\(name)`"), "the row of \(fields.type) says nothing of \(name)")
            }
        }
    }

    @Test("every message has a row in the table of its direction, which names all of its members")
    func rows() throws {
        var engine = FrameWriter()
        for message in MessageTests.engine { try engine.append(message) }
        try check(engine.bytes, against: "From the engine")
        var bundle = FrameWriter()
        for message in MessageTests.bundle { try bundle.append(message) }
        try check(bundle.bytes, against: "From the bundle")
    }

    @Test("version and limits are those of the code")
    func figures() {
        #expect(page.contains("for bundles in any language. Version \(BundleProtocol.version)."))
        #expect(page.contains("\n- \(BundleProtocol.version): "))
        #expect(!page.contains("\n- \(BundleProtocol.version + 1): "))
        let longest = "\(BundleProtocol.longestFrame / 1_000_000),\(BundleProtocol.longestFrame / 1_000 % 1_000),"
        #expect(page.contains(longest) && BundleProtocol.longestFrame == 16 << 20)
        #expect(BundleProtocol.alivePeriod == 10 && page.contains("every ten seconds while dispatches run"))
    }
}
