// SPDX-License-Identifier: Apache-2.0

/// Where tasks are declared: in which group.
struct GroupPlace: Sendable {
    /// The group, with those around it; empty: none.
    var name = ""
    /// The mapped group among those, by its number.
    var mapping: Int?

    /// A group in this one.
    func inner(_ id: String) -> GroupPlace {
        GroupPlace(name: DAGDraft.fullID(id, in: name), mapping: mapping)
    }
}
