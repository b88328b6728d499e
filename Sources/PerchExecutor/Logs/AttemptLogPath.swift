// SPDX-License-Identifier: Apache-2.0

public import PerchMetastore
internal import PerchSDK

/// Where the log of an attempt stands under the directory of logs, in the field's scheme:
/// `dag_id=…/run_id=…/task_id=…/attempt=N.log`, with `map_index=…` before the last part of a mapped instance.
public enum AttemptLogPath {
    /// The directory of all attempts of a task instance.
    public static func directory(of key: TaskInstanceKey) -> String {
        var path = "dag_id=\(encoded(key.dagID))/run_id=\(encoded(key.runID))/task_id=\(encoded(key.taskID))"
        if key.mapIndex >= 0 { path += "/map_index=\(key.mapIndex)" }
        return path
    }

    /// The file of one try.
    public static func file(of key: TaskInstanceKey, tryNumber: Int) -> String {
        "\(directory(of: key))/attempt=\(tryNumber).log"
    }

    /// An id as a part of a path: what is not a letter, a digit or one of `-_.:+~@` becomes `%XX`. One that is too long
    /// for a file's name is cut, with a hash of the whole in place of its end.
    static func encoded(_ id: String) -> String {
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
