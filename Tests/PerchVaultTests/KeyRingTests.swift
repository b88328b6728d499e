// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchVault
import Testing

@Suite("Sealing") struct KeyRingTests {
    private let name = SecretName(.connection, "orders")

    private func ring(_ keys: String...) throws -> KeyRing {
        try KeyRing(parsing: keys.joined(separator: ","), of: "the test")
    }

    @Test("what is sealed is opened again, and is another text every time", arguments: ["", "a", "hunter2 ä\n\0"])
    func roundTrip(_ text: String) throws {
        let ring = try ring(KeyRing.newKey())
        let (one, two) = (try ring.seal(text, for: name), try ring.seal(text, for: name))
        #expect(one != two && one.keyID == ring.keyID && !one.text.contains("hunter2"))
        #expect(try ring.open(one, of: name) == text)
        #expect(try ring.open(two, of: name) == text)
    }

    @Test("every flipped bit, and every cut, is noticed") func tampering() throws {
        let ring = try ring(KeyRing.newKey())
        let sealed = try ring.seal("hunter2", for: name)
        let characters = Array(sealed.text)
        for index in characters.indices {
            var changed = characters
            changed[index] = changed[index] == "A" ? "B" : "A"
            guard changed != characters else { continue }
            let value = SealedValue(keyID: sealed.keyID, text: String(changed))
            let error = #expect(throws: PerchError.self, "\(index)") { try ring.open(value, of: name) }
            #expect(error?.code == .invalid && error?.message.contains("hunter2") == false)
            #expect(error?.message.contains("'orders'") == true && error?.message.contains(ring.keyID) == true)
        }
        // 35 bytes: the last character but the padding carries four bits, and two that say nothing.
        #expect(characters.suffix(2).last == "=" && characters.suffix(2).first != "=")
        let unused = characters.dropLast(2) + [Self.next(characters[characters.count - 2]), "="]
        for text in ["", "AAAA", String(unused), String(sealed.text.dropLast(4)), "%%%"] {
            #expect(throws: PerchError.self) { try ring.open(SealedValue(keyID: sealed.keyID, text: text), of: name) }
        }
    }

    /// The digit of base64 after another.
    private static func next(_ digit: Character) -> Character {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        return digits[(digits.firstIndex(of: digit) ?? 0) + 1]
    }

    @Test("a sealed value opens in no other row, and not in the other table") func moved() throws {
        let ring = try ring(KeyRing.newKey())
        let sealed = try ring.seal("hunter2", for: name)
        for other in [SecretName(.connection, "other"), SecretName(.variable, "orders"), SecretName(.connection, "")] {
            #expect(throws: PerchError.self) { try ring.open(sealed, of: other) }
        }
    }

    @Test("the first key seals, all open; one that is not at hand is named by its id, never by itself") func keys()
        throws
    {
        let (old, new) = (KeyRing.newKey(), KeyRing.newKey())
        let sealed = try ring(old).seal("hunter2", for: name)
        let both = try ring(new, old)
        #expect(both.keyIDs.count == 2 && both.keyID != sealed.keyID)
        #expect(try both.open(sealed, of: name) == "hunter2")
        #expect(try both.seal("x", for: name).keyID == both.keyIDs[0])
        let error = #expect(throws: PerchError.self) { try ring(new).open(sealed, of: name) }
        #expect(error?.code == .unavailable && error?.message.contains(sealed.keyID) == true)
        #expect(error?.message.contains("'orders'") == true)
        for key in [old, new] { #expect(error?.message.contains(key) == false) }
        // An id that was changed names a key that is there, and opens nothing.
        let claimed = SealedValue(keyID: both.keyIDs[0], text: sealed.text)
        #expect(throws: PerchError.self) { try both.open(claimed, of: name) }
    }

    @Test(
        "what is no key is refused without a part of it",
        arguments: ["", " ", ",", "hunter2", "aHVudGVyMg==", KeyRing.newKey() + ",hunter2", KeyRing.newKey() + "A"])
    func wrong(_ text: String) {
        let error = #expect(throws: PerchError.self) { try KeyRing(parsing: text, of: "the place") }
        #expect(error?.code == .invalid && error?.message.contains("the place") == true)
        #expect(error?.message.contains("hunter2") == false)
    }
}
