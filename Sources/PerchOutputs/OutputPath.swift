// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// Where what belongs to a task instance stands under a directory, in the field's scheme:
/// `dag_id=…/run_id=…/task_id=…`, with `map_index=…` behind it for a mapped instance.
package enum OutputPath {
    /// The directory of a task instance.
    package static func directory(dagID: String, runID: String, taskID: String, mapIndex: Int) -> String {
        var path = "dag_id=\(encoded(dagID))/run_id=\(encoded(runID))/task_id=\(encoded(taskID))"
        if mapIndex >= 0 { path += "/map_index=\(mapIndex)" }
        return path
    }

    /// The file with the output of one dispatch: another dispatch of the same try writes another one, so that nothing
    /// which a row refers to is ever written again.
    package static func file(of facts: AttemptFacts, dispatchID: Int64) -> String {
        let folder = directory(
            dagID: facts.dagID, runID: facts.runID, taskID: facts.taskID, mapIndex: facts.mapIndex)
        return "\(folder)/attempt=\(facts.tryNumber).dispatch=\(dispatchID).json"
    }

    /// Whether a name is one of these, and leads nowhere else.
    package static func isRight(_ name: String) -> Bool {
        name.hasPrefix("dag_id=")
            && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
                !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.allSatisfy { isSafe($0) || $0 == 0x3D || $0 == 0x25 }
            }
    }

    /// An id as a part of a path: what is not a letter, a digit or one of `-_.:+~@` becomes `%XX`. One that is too long
    /// for a file's name is cut, with a hash of the whole in place of its end.
    package static func encoded(_ id: String) -> String {
        if id.utf8.count <= 200, id.utf8.allSatisfy(isSafe) { return id }
        var bytes: [UInt8] = []
        for byte in id.utf8 {
            if isSafe(byte) {
                bytes.append(byte)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                bytes += Array("%\(digits.utf8.count == 1 ? "0" : "")\(digits)".utf8)
            }
        }
        guard bytes.count > 200 else { return String(decoding: bytes, as: UTF8.self) }
        var hash = StableHash()
        hash.combine(id)
        return String(decoding: bytes[..<180], as: UTF8.self) + "~" + String(hash.value, radix: 16)
    }

    private static func isSafe(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
            UInt8(ascii: ":"), UInt8(ascii: "+"), UInt8(ascii: "~"), UInt8(ascii: "@"):
            true
        default: false
        }
    }
}
