"""What each disentanglement score cannot see; numbers are those of tests and 12 rotations."""

BLIND_SPOTS = {
    "mcc": "copies of codes and codes without information cost nothing; its chance grows with the "
    "number of codes; only one of the two codes that an angle needs is looked at",
    "mig": "0 where a factor has two codes, as a copy of each code or the cosine and sine of an "
    "angle; depends on the bins (equal widths: 0.88 for cubes of perfect codes)",
    "modularity": "0.85 to 0.98 for random rotations of five factors; many codes may share a "
    "factor; the naive one counts codes without information as entangled",
    "sap_continuous": "0 where a factor has two codes; sees linear relations alone; 0.1 to 0.5 for "
    "random rotations of five factors",
    "dci_disentanglement": "1 for copies of codes; depends on the model that gives importances, "
    "and codes that share information divide it as that model happens to",
    "dci_completeness": "lowered by copies of codes alone (0.70 for two copies of five); as "
    "dci_disentanglement",
    "informativeness": "says that factors can be read from all codes, nothing on axes; also of a "
    "rotation, as far as the model and the rows allow",
    "sap_discrete": "0.1 and not 1 for a perfect code of ten ordered levels, which a linear "
    "classifier of one code cannot tell apart (0.19 where the code is the numbers 0 to 9, as its "
    "penalty knows units); 0 where a factor has two codes",
    "explicitness": "the same for every rotation; 0.78 and not 1 for a perfect code of ten ordered "
    "levels, of which the middle ones are not linearly separable",
    "factor_vae": "0.66 to 1 for random rotations of five factors, 1 for most of two; 1 for copies "
    "of codes",
    "beta_vae": "0.80 to 1 for random rotations of five factors, 1 for most of two; 1 for copies "
    "of codes",
}  # fmt: skip
