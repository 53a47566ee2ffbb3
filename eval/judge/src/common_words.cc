#include "common_words.h"

#include <string_view>
#include <unordered_map>

namespace leadline::judge {
namespace {

// Weights in tenths. English, German, Spanish, Romanian, Turkish, Vietnamese, Greek and Russian are
// counted by tools/common_words.py over the texts of SciFact, HotpotQA-100 and XQuAD; only
// the counts are used. Thai, Chinese and Japanese particles are listed by hand.
struct Group {
  int tenths;
  std::string_view words;  // folded, separated by spaces
};

constexpr Group kFunctionWords[] = {
    // English
    {1, "a and in of the to"},
    {2, "as by is that was with"},
    {3, "an are at for from it on or this were"},
    {4,
     "after also be been between but during has have he his its may not than their these "
     "which who"},
    {5,
     "all before both can had however i into more most no only other over since such there "
     "they under up when within"},
    {6,
     "about above again against am any because being below could did do does doing down "
     "each either else few further having her here hers herself him himself how if itself "
     "just me might must my myself neither nor now off once our ours ourselves out own per "
     "same shall she should so some theirs them themselves then those though through too "
     "until upon us very via we what where whether while whom whose why will without would "
     "you your yours yourself yourselves"},
    // de
    {1, "der und"},
    {2, "das eine im zu"},
    {3, "auf aus dass dem er es fur ist mit sich sie wurde wurden"},
    {4,
     "auch bei bis diese durch einem einen einer jahr nach nicht oder sind uber wahrend "
     "waren werden wie wird zum zur"},
    // es
    {1, "que"},
    {2, "como con las para por un una"},
    {3, "entre mas"},
    {4,
     "anos ciudad desde despues dos durante esta estados este fue gobierno gran hasta "
     "mientras otros parte pero ser sobre sus tambien tiempo"},
    {5, "antes cuando estan estas francia habia otras poblacion"},
    // ro
    {2, "au cu din fost mai pe pentru"},
    {3, "ale ce fi lui nu sau timp"},
    {4,
     "aceasta acesta aceste acestia ani anul ar astfel ceea cel cele dintre doua drept "
     "dupa iar insa intre lor mare mult multe prin sud sunt unui"},
    // tr
    {1, "bir ve"},
    {2, "bu olarak"},
    {3, "daha icin ile olan tarafından"},
    {4,
     "ancak arasında buyuk cok diger etti fransız gibi iki ilk kadar nin nın oldugu "
     "oldugunu ozel sekilde sonra te veya ya yeni yılında ın"},
    {5, "asal aynı ayrıca bircok daki ngiltere oldu"},
    // vi
    {1, "cac cua trong va đa đuoc"},
    {2, "khi khong mot nay nguoi nhung thanh tu vao voi đe đen đo đong"},
    {3,
     "anh ban bao bo chinh cong cung dan dung gia ky nha nhan phan quan tai van đau đinh "
     "đoi"},
    // el
    {1, "απο η και της το του"},
    {2, "για ειναι με μια να ο οι που σε στην στο τα τη την τον τους των"},
    {3, "δεν ενα ηταν κατα οτι στα στη τις ως"},
    {4, "αλλα δυο επισης εχει μεταξυ οπως στις στον"},
    // ru
    {1, "в и"},
    {2, "на с"},
    {3, "а время года году для из к как не от по также что"},
    {4,
     "более был была были во до его за или их которые которыи но о он они под после при то "
     "чтобы это является"},
    // th
    {1, "การ กับ ของ ความ จะ จาก ซึ่ง ได้ ที่ นี้ ใน เป็น มี และ ว่า ให้ อยู่ โดย"},
    {3, "ก็ ขึ้น คือ ด้วย ต่อ ตาม ถึง นั้น แต่ ถูก แล้ว มา ไป เพื่อ ยัง ลง ไว้ หรือ อีก ออก เข้า ครับ ค่ะ"},
    // zh
    {1, "的 了 是 在 和"},
    {3,
     "与 中 为 之 也 于 从 他 他们 以 但 你 个 其 到 及 及其 她 它 它们 对 将 就 并 我 我们 所 或 "
     "把 有 由 着 而 被 "
     "该 这 这个 这些 进行 那 那个 那些 都 等 一个 一 上 下 里"},
    // ja
    {1, "が で と に の は も を た て"},
    {3,
     "いる から こと この これ さ した して し する その それ です ない など ます まで より られ "
     "る れ"},
};

using Table = std::unordered_map<std::string_view, WordWeight>;

void AddGroup(const Group& group, Table* table) {
  size_t begin = 0;
  while (begin < group.words.size()) {
    size_t end = group.words.find(' ', begin);
    if (end == std::string_view::npos) {
      end = group.words.size();
    }
    table->emplace(group.words.substr(begin, end - begin),
                   WordWeight{static_cast<float>(group.tenths) / 10.0F, true});
    begin = end + 1;
  }
}

Table BuildTable() {
  Table table;
  for (const Group& group : kFunctionWords) {
    AddGroup(group, &table);
  }
  return table;
}

}  // namespace

WordWeight WeightOf(std::string_view folded) {
  static const Table table = BuildTable();
  const auto found = table.find(folded);
  return found == table.end() ? WordWeight{} : found->second;
}

}  // namespace leadline::judge
