// SPDX-License-Identifier: Apache-2.0
import Foundation
import FuzzSupport
import PerchSDK
import Testing

@Suite("Fuzz: JSON") struct JSONFuzzTests {
    @Test("what is printed is read again, however somebody else writes it") func roundTrip() throws {
        try Fuzz.run("JSON round trip", count: 2_000) { source in
            let value = source.json()
            try Fuzz.same(try JSONValue(parsing: value.text), value, "printed as \(value.text)")
            let written = source.written(value)
            try Fuzz.same(try JSONValue(parsing: written), value, "written as \(written)")
            try Fuzz.same(try JSONText.decode(JSONValue.self, from: JSONText.encode(value)), value, "coded")
        }
    }

    @Test("only what another reader takes for JSON is taken, and all of it but what is too deep or too large")
    func reference() throws {
        try Fuzz.run("JSON reference", count: 3_000) { source in
            let (first, second) = (source.json(), source.json())
            let bytes = source.mutated(Array(source.written(first).utf8), with: Array(source.written(second).utf8))
            // Foundation guesses other encodings from zero bytes and byte order marks.
            if bytes.prefix(4).contains(0) || bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return }
            let isJSON = (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
            let shown = String(decoding: bytes.prefix(200), as: UTF8.self)
            do {
                let value = try JSONValue(parsing: bytes)
                try Fuzz.same(try JSONValue(parsing: value.text), value, "read from \(shown)")
                try Fuzz.check(isJSON, "taken for JSON: \(shown)")
            } catch let error as PerchError {
                try Fuzz.checkMessage("\(error)")
                let isLimit = error.message.contains("out of range") || error.message.contains("nested deeper")
                // Foundation lets a comma stand before the end of an array.
                let isLoose = String(decoding: bytes, as: UTF8.self).contains(#/,[ \t\r\n]*[\]}]/#)
                try Fuzz.check(!isJSON || isLimit || isLoose, "refused: \(error): \(shown)")
            }
        }
    }

    @Test("the elements of an array are its elements") func elements() throws {
        try Fuzz.run("JSON elements", count: 1_000) { source in
            let values = source.several(0...5) { $0.json(depth: 3) }
            let text = source.written(.array(values))
            let elements = try JSONText.elements(of: text)
            try Fuzz.same(try elements.map { try JSONValue(parsing: $0) }, values, "elements of \(text)")
            try Fuzz.same(try JSONText.elements(of: JSONText.array(of: elements)), elements, "put together again")
            _ = try Fuzz.accepted { try JSONText.elements(of: source.mutated(text)) }
        }
    }

    @Test("the deepest documents are read, compared, printed and coded on a small stack, deeper ones are refused")
    func depth() throws {
        let refused = try SmallStack.run { () throws -> [Int] in
            var refused: [Int] = []
            for depth in [1, 100, 499, 500, 501, 512, 513, 100_000] {
                for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
                    let text = String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
                    guard let value = try Fuzz.accepted({ try JSONValue(parsing: text) }) else {
                        refused.append(depth)
                        continue
                    }
                    try Fuzz.same(value.text, text, "depth \(depth)")
                    try Fuzz.same(try JSONValue(encoding: value), value, "depth \(depth)")
                    try Fuzz.check(value.hashValue == (try JSONValue(parsing: text)).hashValue, "hash at \(depth)")
                }
            }
            return refused
        }
        #expect(refused == [501, 501, 512, 512, 513, 513, 100_000, 100_000])
    }
}
